# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep N idle processes: `python3 crowd.py N` prints "ready", and ends them when its standard input is closed."""

import os
import signal
import sys

if __name__ == "__main__":
    crowd = [os.posix_spawn("/bin/sleep", ["sleep", "infinity"], {}) for _ in range(int(sys.argv[1]))]
    print("ready", flush=True)
    sys.stdin.read()
    for pid in crowd:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
