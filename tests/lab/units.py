# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render the role's systemd units as a host gets them, without Ansible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import jinja2
import yaml

from plugins.plugin_utils import systemd_units

ROLE = Path(__file__).resolve().parents[2] / "roles" / "ssh_login_notify"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
NAMES: list[str] = VARIABLES["__ssh_login_notify_unit_files"]


def templates(**variables: str) -> dict[str, str]:
    """Return the rendered text of each unit, by the unit's name.

    :param variables: values of the role's variables, in place of its defaults
    """
    environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)  # noqa: S701 - no HTML
    own = {"ssh_login_notify_heartbeat_time": "08:30", "__ssh_login_notify_metrics_file": ""}
    given = {**VARIABLES, **own, **variables}
    return {
        name: environment.from_string((ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")).render(given)
        for name in NAMES
    }


def units(version: int, without: Iterable[str] = (), **variables: str) -> dict[str, str]:
    """Return the text of each unit for a host with this version of systemd that refuses these parts of the sandbox."""
    return {name: systemd_units.fitted(text, version, without) for name, text in templates(**variables).items()}
