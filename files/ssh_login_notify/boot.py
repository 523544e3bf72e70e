# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of the current boot of this host."""

import os
import re

BOOT_ID = "/proc/sys/kernel/random/boot_id"
# systemd hides that file from the sender's unit (ProcSubset=pid), and puts the id into this variable instead (%b,
# systemd.unit(5)).
VARIABLE = "SSH_LOGIN_NOTIFY_BOOT_ID"
# After the hyphens are removed: random(4) has them in the id, systemd does not.
FORM = re.compile(r"[0-9a-f]{32}\Z")


def identity() -> str:
    """Return the id of this boot (random(4), boot_id) without hyphens, "" if it is unknown."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            found = file.read(64)
    except (OSError, ValueError):
        found = os.environ.get(VARIABLE, "")
    found = found.strip().replace("-", "").lower()
    return found if FORM.match(found) else ""
