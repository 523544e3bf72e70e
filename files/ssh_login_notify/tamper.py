# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch against tampering: looks for changes twice a minute, and if it finds one, runs the self-check at once.

A look costs one stat for each relevant file and directory, one query to systemd, one to journald, and the command lines
of all processes. The watch compares these with the record of the last look in ledger/tamper.json. If something differs,
it waits until the changes have stopped, because a package upgrade or the role may be at work. Then it runs the
self-check, which reports what is wrong and who is logged in. If nothing is wrong, such as after a reload of sshd with
the same settings, nothing is reported. The watch also runs the self-check when that is due, because unlike the sender
it can see all processes.

The message is sent even if systemd does not start the sender, because an attacker has masked or stopped its units.
Then this process becomes the sender, after it has done everything that needs root.
"""

import os
import signal
import sys
import time

from . import exit_codes, paths, sshd_settings, sshds, suppressed, trust, units
from .installation import is_unsettled, recorded
from .journal import defect, trouble
from .kept import Kept
from .last_check import is_due
from .spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List

FILE = "tamper.json"
# After a change, the watch pauses until nothing has changed during a pause, but at most this number of times.
PAUSE_SECONDS = 5.0
MOST_PAUSES = 3
# How long the role is assumed to be at work. An attacker who only pretends that gains no more time than this.
MOST_UNSETTLED_SECONDS = 900.0
# The directories that are watched with all their files, and single files. The service user is in /etc/passwd.
DIRECTORIES = ("/etc/ssh/sshd_config.d", "/usr/etc/ssh/sshd_config.d")
FILES = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config", "/etc/passwd")
# A look that takes longer hangs, for example on a network file system, and SIGALRM ends it. Otherwise cron would start
# one more every minute.
LONGEST_LOOK_SECONDS = 170
# When the role was first seen at work, in seconds after boot.
UNSETTLED = "unsettled_at_uptime"


def main() -> int:
    """Look once. Return the exit code. For systemd and cron."""
    if os.geteuid() != 0:
        print("ssh-login-notify: only root can run it; try sudo", file=sys.stderr)
        return exit_codes.UNKNOWN
    os.umask(0o077)
    signal.alarm(LONGEST_LOOK_SECONDS)
    spool = Spool()
    found = units.found()
    has_reported = False
    try:
        has_reported = look(spool, found)
    except Exception as error:
        trouble(f"The watch against tampering failed: {error if isinstance(error, OSError) else defect(error)}")
    signal.alarm(0)  # a sender has limits of its own
    return _send(spool, found, has_reported)


def look(spool: Spool, found: "List[units.Unit]") -> bool:
    """Run the self-check if something differs from the last look, or if it is due. Return whether it ran.

    Raise OSError.
    """
    kept = Kept(spool, FILE)
    before = kept.load()
    if _is_unsettled(kept, before):
        return False
    seen = _seen(spool, found)
    if seen == before:
        return is_due(spool) and _check(spool)
    for _pause in range(MOST_PAUSES):
        time.sleep(PAUSE_SECONDS)
        former, seen = seen, _seen(spool, units.found())
        if seen == former:
            break
    # Either all is as before, or it was the role, which writes its list of files last.
    if seen == before or _is_unsettled(kept, before) or not _check(spool):
        return False
    # The self-check may have recorded a new sshd, with files of its own.
    after = _seen(spool, units.found())
    is_same = all(after["files"].get(path) == facts for path, facts in seen["files"].items())
    kept.save(dict(seen, files=after["files"]) if is_same else seen)
    return True


def _check(spool: Spool) -> bool:
    from . import self_check  # not needed by a look that finds nothing

    return self_check.run_whole(spool)


def _is_unsettled(kept: Kept, before: "Dict[str, Any]") -> bool:
    """Return whether the role may be at work. This is assumed only for a limited time.

    That time is measured by a clock that nobody can set. It begins anew with each boot, so a time in the future is from
    before the last one.
    """
    if not is_unsettled(time.time(), paths.CONFIGURATION):
        return False
    now = time.monotonic()
    since = before.get(UNSETTLED)
    if not isinstance(since, float):
        kept.save(dict(before, **{UNSETTLED: now}))
        return True
    return 0 <= now - since < MOST_UNSETTLED_SECONDS


def _seen(spool: Spool, found: "List[units.Unit]") -> "Dict[str, Any]":
    """Return everything that a look compares, in the types that JSON returns."""
    try:
        dropped = suppressed.lately(is_quick=True)
    except OSError:
        dropped = None  # the self-check has more time
    return {
        "files": {path: _facts(path) for path in set(_paths(spool))},
        "rights": {path: _rights(path) for path in (*trust.on_the_way(trust.TRUSTED), paths.PROGRAM)},
        "units": [[unit.name, unit.fault()] for unit in found if unit.fault()],
        "sshds": sshds.starts(),
        "dropped": dropped.last if dropped else 0,
    }


def _paths(spool: Spool) -> "Iterator[str]":
    """Yield the watched paths: the files that the role installed, the PAM stack, and the configuration of each sshd."""
    yield from (paths.PROGRAM, paths.CONFIGURATION, os.path.realpath(sys.executable), *FILES)
    try:
        yield from recorded()
    except (OSError, ValueError):
        pass  # the self-check reports it, and the other paths are watched
    yield from sshd_settings.files(spool)
    for directory in (paths.LIBRARY, paths.PACKAGE, *_below(paths.PACKAGE), *paths.PAM_DIRECTORIES, *DIRECTORIES):
        yield directory
        yield from (os.path.join(directory, name) for name in _names(directory))
    for name in (*paths.UNITS, *paths.SERVICES):
        yield os.path.join(paths.UNIT_DIRECTORY, name)


def _below(directory: str) -> "List[str]":
    """Return all directories below a directory, without those behind a symbolic link."""
    inner = [os.path.join(directory, name) for name in _names(directory) if "." not in name]
    inner = [path for path in inner if os.path.isdir(path) and not os.path.islink(path)]
    return [path for each in inner for path in (each, *_below(each))]


def _names(directory: str) -> "List[str]":
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _facts(path: str) -> "List[int]":
    """Return facts that change with a file. Its ctime (inode(7)) can't be set without setting the clock."""
    try:
        status = os.lstat(path)
    except OSError:
        return []
    return [status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_ctime_ns]


def _rights(path: str) -> "List[int]":
    """Return facts that change if others can write to a directory, or if something is mounted over it or remounted.

    Other programs may create files in these directories, so their times do not count.
    """
    try:
        status, disk = os.stat(path), os.statvfs(path)
    except OSError:
        return []
    return [status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid, disk.f_flag]


def _send(spool: Spool, found: "List[units.Unit]", has_reported: bool) -> int:
    """Wake the sender after a self-check if alerts wait. If systemd does not start it, become the sender."""
    if units.systemd_sends(found):
        if has_reported and _waits(spool) and not spool.wake():
            from . import overflow

            overflow.wake()
        return exit_codes.OK
    # Without systemd, cron starts the sender each minute for other alerts.
    if not (has_reported or found) or not _waits(spool):
        return exit_codes.OK
    from . import sender
    from .config import ConfigurationError
    from .privileges import PrivilegeError

    try:
        sender.flush(spool, put_back=False)
    except (ConfigurationError, PrivilegeError, OSError) as error:
        trouble(f"Nothing can be sent: {error}")
        return exit_codes.TRY_LATER
    except Exception as error:  # a traceback would show values
        trouble("Nothing can be sent: " + defect(error))
        return exit_codes.UNKNOWN
    return exit_codes.OK


def _waits(spool: Spool) -> bool:
    from . import outlets, overflow

    try:
        return bool(overflow.names()) or any(place.names("outgoing") for place in outlets.places(spool))
    except OSError:
        return bool(overflow.names())
