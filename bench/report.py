# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a measurement, as text for the terminal and for docs/bench.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.command import ROOT, STATE, Failure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = ROOT / "docs" / "bench.md"
PICTURES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Finding:
    """The result of one part."""

    text: str  # Markdown: tables, mostly
    broken: list[str] = field(default_factory=list)  # broken promises, one sentence each
    plots: dict[str, Figure] = field(default_factory=dict)  # by file name


def within(ratio: float, budget: float) -> str:
    """Return a ratio, followed by OVER BUDGET if it is."""
    return f"{ratio:.2f}" if ratio <= budget else f"{ratio:.3f} OVER BUDGET"


def publish(part: str, text: str) -> None:
    """Replace the text between the part's markers in docs/bench.md.

    :raises Failure: if the page has no such markers
    """
    pattern = re.compile(rf"(<!-- {part}: begin[^>]*-->\n).*?(<!-- {part}: end -->)", re.DOTALL)
    page, found = pattern.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", PAGE.read_text())
    if found != 1:
        raise Failure(f"{PAGE} needs one pair of markers, <!-- {part}: begin --> and <!-- {part}: end -->")
    PAGE.write_text(page)


def save(finding: Finding, published: bool) -> list[Path]:
    """Write the plots to docs/images, or to .dev/ if they are not to be published. Return their paths."""
    directory = PICTURES if published else STATE
    directory.mkdir(parents=True, exist_ok=True)
    for name, figure in finding.plots.items():
        figure.savefig(directory / name)
    return [directory / name for name in finding.plots]
