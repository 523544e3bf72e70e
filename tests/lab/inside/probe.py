# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time the hook while others log in: `python3 account.py --adopt python3 probe.py`.

Until its standard input is closed, it holds a login of its own, by turns with the bare interpreter and with the hook
(see hold.py). Then it prints JSON, a row for each turn: the milliseconds of both, and the processor time of the bare
interpreter. It ends when all descendants of its hooks have ended: one of them can be the observer of all other logins,
and its cost must be counted.
"""

import json
import os
import random
import select
import sys
import time
from pathlib import Path

from hold import PROGRAMS, run

NAMES = ["bare", "running"]
INTERVAL = 0.25
LIMIT_SECONDS = 60


def wait_for_orphans() -> None:
    """Wait until our parent, which has adopted the orphans, has no child but us."""
    parent = os.getppid()
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()) > 1:
        if time.monotonic() > deadline:
            raise RuntimeError("descendants of the hooks did not end in time")
        time.sleep(0.05)


def main() -> None:
    """Time both by turns until standard input is closed."""
    turns = []
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        runs = {name: run(PROGRAMS[name]) for name in random.sample(NAMES, len(NAMES))}
        turns.append([*(runs[name].held for name in NAMES), runs["bare"].used])
    print(json.dumps(turns), flush=True)
    wait_for_orphans()


if __name__ == "__main__":
    # We compete with the storm's own processes for a processor. That wait is not what this measures.
    os.nice(-20)
    main()
