# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill the notifier's processes at random moments. Runs on a server: `python3 killer.py SEED SECONDS LOG`.

It ends after SECONDS, or when its input is closed. LOG gets a line of JSON for each kill, written while the victim is
stopped, before it dies. Standard library only.
"""

import contextlib
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

PROGRAM = b"/usr/local/bin/ssh-login-notify"
SPOOL = Path("/var/spool/ssh-login-notify")
# How often each role is chosen. The hook and its fork live for a few milliseconds and are rarely hit. The others would
# never finish anything if they were hit every time.
AIMS = {"hook": 5, "fork": 5, "observer": 2, "finisher": 3, "sender": 2}
PAUSE = (0.005, 0.035)  # seconds between two looks
LONGEST_WAIT = 0.15  # seconds
HANDING_OVER = 0.002  # approximate seconds that it takes


def read(path):
    """Return a file's bytes, or no bytes if it is gone."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def words(pid):
    """Return a process's arguments after the program, or None for another program."""
    arguments = read(f"/proc/{pid}/cmdline").split(b"\0")[:-1]
    return arguments[3:] if PROGRAM in arguments[2:3] else None


def status(pid):
    """Return a process's state, parent and session (proc(5)), or those of a zombie without a parent if it is gone."""
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (fields[0], int(fields[1]), int(fields[3])) if fields else (b"Z", 0, 0)


def role(pid):
    """Return the role of a process of the program, or None for other processes."""
    found = words(pid)
    if found is None or found not in ([], [b"send"]):
        return None
    if found:
        return "sender"
    _state, parent, _session = status(pid)
    # The fork opens this lock to become the observer, and a finisher inherits it. By then the capture is in the spool.
    if holds(pid, SPOOL / "observer.lock"):
        return "finisher" if holds(parent, SPOOL / "observer.lock") else "observer"
    return "hook" if read(f"/proc/{parent}/comm").startswith(b"sshd") else "fork"


def holds(pid, path):
    """Return whether a process has a file open."""
    try:
        return any(os.readlink(entry.path) == str(path) for entry in os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def connection(pid):
    """Return the environment variable SSH_CONNECTION (ssh(1)) of a hook."""
    for variable in read(f"/proc/{pid}/environ").split(b"\0"):
        if variable.startswith(b"SSH_CONNECTION="):
            return variable
    return b""


def is_captured(variable):
    """Return whether a capture with this variable is in the spool."""
    captures = [path for path in (SPOOL / "incoming").iterdir() if path.name[0] != "."]
    return any(variable in read(path) for path in captures)


def wait_for_handing_over(chance):
    """Wait until a finisher is handing over an alert, which is rare, but at most LONGEST_WAIT."""
    until = time.monotonic() + LONGEST_WAIT
    before = alerts_beside_captures()
    while time.monotonic() < until:
        if alerts_beside_captures() - before:
            time.sleep(chance.uniform(0, HANDING_OVER))
            return


def alerts_beside_captures():
    """Return the names of the alerts in incoming/, finished and unfinished."""
    return {path.name for path in (SPOOL / "incoming").iterdir() if ".alert" in path.name}


def kill(pid, log):
    """Stop a process, log its role and its progress, and kill it."""
    os.kill(pid, signal.SIGSTOP)
    for _try in range(100):
        state = status(pid)[0]
        if state in b"TZ":
            break
        time.sleep(0.0005)
    kind = role(pid)
    if state != b"T" or not kind:  # it is ending, or in a state that no signal stops
        os.kill(pid, signal.SIGCONT)
        return
    variable = connection(pid) if kind in ("hook", "fork") else b""
    address, port = (variable.partition(b"=")[2].decode().split() or ["", ""])[:2]
    lost = bool(variable) and not is_captured(variable)
    entry = {"at": time.time(), "kind": kind, "source": f"{address} port {port}", "may_be_lost": lost}
    entry["waiting"] = [path.name for path in (SPOOL / "outgoing").iterdir()] if kind == "sender" else []
    log.write(json.dumps(entry) + "\n")
    os.kill(pid, signal.SIGKILL)


def main():
    seed, seconds, path = sys.argv[1:]
    chance = random.Random(int(seed))  # noqa: S311
    until = time.monotonic() + float(seconds)
    with Path(path).open("a", buffering=1) as log:
        while time.monotonic() < until and not select.select([sys.stdin], [], [], chance.uniform(*PAUSE))[0]:
            wanted = chance.choices(list(AIMS), list(AIMS.values()))[0]
            pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
            victims = [pid for pid in pids if role(pid) == wanted]
            if victims and wanted == "finisher":
                wait_for_handing_over(chance)
            if victims:
                with contextlib.suppress(ProcessLookupError):  # it may have just ended
                    kill(chance.choice(victims), log)


if __name__ == "__main__":
    main()
