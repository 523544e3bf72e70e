# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and leave account of it: `python3 account.py [--adopt] COMMAND...` prints a line of JSON a process.

That is the command itself; with --adopt it is the notifier's processes that it leaves behind: the observer, whose
parent, the hook, ends at once. wait4(2) has the processor time and the largest resident set of a process and of all
children that it waited for. The set counts from before exec(2), so that of a command is ours at the least: small.
"""

import json
import os
import signal
import sys
from pathlib import Path

NOTIFIER = "ssh-login-notif"  # the kernel keeps 15 characters of a name; a script goes by its own


def main(arguments: "list[str]") -> int:
    adopt = arguments[0] == "--adopt"
    command = arguments[1:] if adopt else arguments
    if adopt:
        from children import adopt_orphans  # with ctypes, which the sender's sandbox would not have

        adopt_orphans()
    main_pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(main_pid, number))
    while True:
        # Looked at before it is reaped: a name is all that is left of it by now.
        result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert result  # there is none only with WNOHANG
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
