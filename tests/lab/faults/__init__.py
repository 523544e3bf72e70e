# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be broken on a server, in the notifier or on the way, while people log in: each fault broken and mended
by shell scripts that root runs on the server, so that the scenario and the bench break the same things.

    with prepared(fault, shell):
        with broken(fault, shell):
            ...  # people log in
        ...  # it is mended: what was written down arrives
"""

from __future__ import annotations

from .fault import Fault, NotBrokenError, Shell, Written, broken, line_taken_out, prepared
from .host import HOST
from .notifier import NOTIFIER
from .others import OTHERS
from .spool import SPOOL_FAULTS

__all__ = ["FAULTS", "Fault", "NotBrokenError", "Shell", "Written", "broken", "line_taken_out", "prepared"]

FAULTS = [*NOTIFIER, *SPOOL_FAULTS, *HOST, *OTHERS]
