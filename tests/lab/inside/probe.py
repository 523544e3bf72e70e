# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time the hook while others log in: `python3 account.py --adopt python3 probe.py`.

As long as its standard input is open, it holds a login of its own by the bare interpreter and by the hook, by turns
(see hold.py). Then it prints JSON, a row for each turn: the milliseconds that each was held, and the processor time of
the bare interpreter. It ends when all has ended that its hooks have started: an observer that one of them became may
work for all the others, and is to be accounted for.
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
    """Return when our parent, who has adopted them, has no child but us."""
    parent = os.getppid()
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()) > 1:
        if time.monotonic() > deadline:
            raise RuntimeError("what the hooks have started does not end")
        time.sleep(0.05)


def main() -> None:
    """Time both until told to stop."""
    turns = []
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        runs = {name: run(PROGRAMS[name]) for name in random.sample(NAMES, len(NAMES))}
        turns.append([*(runs[name].held for name in NAMES), runs["bare"].used])
    print(json.dumps(turns), flush=True)
    wait_for_orphans()


if __name__ == "__main__":
    # With the storm's own processes we compete for a processor; that wait is the machine's, and not what is asked here.
    os.nice(-20)
    main()
