# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and report its cost: `python3 account.py [--adopt] COMMAND...` prints a line of JSON per process.

That process is the command itself. With --adopt it is each process of the notifier that the command orphans: the
observer, whose parent, the hook, ends at once. wait4(2) returns the processor time and the largest resident set of a
process and of the children that it waited for. That set includes the time before exec(2), so it is at least our own,
which is small.
"""

import json
import os
import signal
import sys
from pathlib import Path

NOTIFIER = "ssh-login-notif"  # a script's process has the script's name, of which the kernel keeps 15 characters


def main(arguments: "list[str]") -> int:
    adopt = arguments[0] == "--adopt"
    command = arguments[1:] if adopt else arguments
    if adopt:
        from children import adopt_orphans  # imports ctypes, which the sender's sandbox refuses

        adopt_orphans()
    main_pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(main_pid, number))
    while True:
        # Read the name before the process is reaped: it is all that a zombie still has.
        result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert result  # it is None only with WNOHANG
        ended = result.si_pid
        name = Path(f"/proc/{ended}/comm").read_text().strip()
        _pid, status, usage = os.wait4(ended, 0)
        if name == NOTIFIER or not adopt:
            milliseconds = (usage.ru_utime + usage.ru_stime) * 1000
            print(json.dumps({"orphan": adopt, "milliseconds": milliseconds, "kib": usage.ru_maxrss}), flush=True)
        if ended == main_pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
