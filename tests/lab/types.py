# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of logins. The alert of a session that ended at once can say less than its type, but nothing untrue."""

INTERACTIVE = "SSH (interactive)"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"


def is_less_and_true(said: str, type_: str) -> bool:
    """Return whether `said` is true of a login of this type, but less than the whole type."""
    if said == "SSH (with a terminal, over at once)":
        return type_ == INTERACTIVE
    if said == "SSH (command or transfer, over at once)":
        return type_ not in (INTERACTIVE, TUNNEL, UNKNOWN)
    return said in ("SSH (command)", "SSH (command, over at once)") and type_.startswith("SSH (command")
