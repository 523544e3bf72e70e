# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plots that show every run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median

from matplotlib.figure import Figure

POINT = "#2b6ca3"
MEDIAN = "#c0392b"
SPREAD = 0.24  # how far the points of a row are spread, as a fraction of the distance between rows


@dataclass(frozen=True)
class Series:
    """The values of one program."""

    label: str
    values: list[float]


def strips(panels: list[tuple[str, list[Series]]], title: str, unit: str) -> Figure:
    """Return panels in two columns: a row of points for each series, with its median marked and labelled.

    The axes are logarithmic, so a distance is a ratio.
    """
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(11, 1 + 2.4 * rows), dpi=120, layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
    figure.suptitle(title, fontsize=14, fontweight="bold")
    figure.supxlabel(unit, fontsize=10)
    shake = random.Random(1)  # a fixed seed: the same picture from the same figures
    for axes, (name, series) in zip(grid.flat, panels):
        axes.set_title(name, fontsize=11)
        axes.set_xscale("log")
        axes.set_ylim(len(series) - 0.5, -0.7)
        axes.set_yticks(range(len(series)), [one.label for one in series])
        axes.grid(axis="x", which="both", color="#e4e4e4", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        for place, one in enumerate(series):
            heights = [place + shake.uniform(-SPREAD, SPREAD) for _value in one.values]
            axes.scatter(one.values, heights, s=9, color=POINT, alpha=0.35, linewidths=0)
            middle = median(one.values)
            axes.plot([middle, middle], [place - 0.34, place + 0.34], color=MEDIAN, linewidth=2)
            axes.annotate(
                f"{middle:.1f}", (middle, place - 0.34), xytext=(0, 1), textcoords="offset points",
                ha="center", va="bottom", fontsize=9, color=MEDIAN,
            )  # fmt: skip
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    low, high = grid[0][0].get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    grid[0][0].set_xticks(shown, [str(tick) for tick in shown])
    grid[0][0].set_xticks([], minor=True)
    return figure
