# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of a server, of the notifier or of the network, while people log in.

Shell scripts that root runs on the server cause and repair each fault, so the scenario and the benchmark test the same.

    with prepared(fault, shell):
        with broken(fault, shell):
            ...  # people log in
        ...  # it is repaired: the logins that were captured are reported
"""

from __future__ import annotations

from .fault import Fault, NotBrokenError, Shell, Written, broken, line_taken_out, prepared
from .host import HOST
from .notifier import NOTIFIER
from .others import OTHERS
from .spool import SPOOL_FAULTS

__all__ = ["FAULTS", "Fault", "NotBrokenError", "Shell", "Written", "broken", "line_taken_out", "prepared"]

FAULTS = [*NOTIFIER, *SPOOL_FAULTS, *HOST, *OTHERS]
