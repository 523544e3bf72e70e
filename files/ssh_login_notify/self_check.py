# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check: reports to the channel once when something breaks on this host, and once when it is repaired.

The watch against tampering (tamper.py) runs it when it is due, and as soon as something differs from the last look. If
the watch does not run, the sender runs the self-check while it is still root. The last report is in state/watch.json.
The service user can write to that file, so the self-check uses it only to avoid repeated reports. While the spool can't
be written, the file is in /run.
"""

import json
import os

from . import alert, ledger, overflow, summary
from .journal import defect, trouble
from .last_check import FILE, LOCK, is_due, note, places
from .processes import FIRST_PROCESS
from .spool import ALERT_MODE, Lock, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from .health import Health

# The prefix of the keys of problems with one sshd (health.py).
OF_SSHD = "sshd "
# The part of the file that is read.
LARGEST_BYTES = 1 << 16


def run_if_due(spool: Spool) -> None:
    """Check the host unless it was checked recently. A failure of the check delays no alert."""
    try:
        if is_due(spool):
            run_whole(spool)
    except Exception as error:
        trouble("The self-check failed: " + defect(error))


def run_whole(spool: Spool) -> bool:
    """Check the host, report changes, run the audit, write the metrics, and queue the daily summary if it is due.

    Return False if another process is doing this. Raise OSError if a message can't be stored.
    """
    lock = _lock(spool)
    if lock and not lock.take():
        return False
    note(spool)
    try:
        found = run(spool)
        _prove(spool, [problem.sentence for problem in found.problems if not problem.about_delivery])
        _measure(spool, found)
        summary.queue_if_due(spool)
    finally:
        if lock:
            lock.give_up()
    return True


def _lock(spool: Spool) -> "Optional[Lock]":
    """Return the lock of the self-check, None without a spool: two reports are better than none."""
    try:
        return Lock(spool.path(ledger.DIRECTORY, LOCK))
    except OSError:
        return None


def run(spool: Spool) -> "Health":
    """Check the host, and queue a message if something has changed. Return what was found.

    Raise OSError if the message can't be stored.
    """
    from .health import examine  # not needed by an ordinary run of the sender
    from .sshd_settings import Changes

    found = examine(spool)
    problems = {problem.key: problem for problem in found.problems if not problem.about_delivery}
    changes = Changes(spool, found.sshds, found.accepts("changed_sshd_settings"))
    told = _told(spool)
    # Before the report: if these files can't be written, the same report would be repeated endlessly.
    _note(spool, told)
    changes.probe()
    # A problem that can't be seen now does not count as repaired. The sender's sandbox hides /proc, and with it an sshd
    # that was started by hand. While systemd does not answer, the state of the units is unknown.
    is_blind = not os.path.exists(FIRST_PROCESS)
    unseen = {key for key in told if key in found.unknown or (is_blind and key.startswith(OF_SSHD))} - {*problems}
    if changes.sentences or {*problems, *unseen} != set(told):
        for sentence in [*changes.sentences, *(problems[key].sentence for key in problems if key not in told)]:
            trouble(sentence)
        _report(spool, [*changes.sentences, *(problem.sentence for problem in problems.values())], found)
    # After the message: a kill in between leads to a second report instead of none.
    _note(spool, sorted([*problems, *unseen]))
    changes.keep()
    return found


def _report(spool: Spool, sentences: "List[str]", found: "Health") -> None:
    from . import logged_in

    notice = alert.own(alert.SELF_CHECK, sentences)
    if sentences:
        try:
            people = found.configuration.people if found.configuration else {}
            notice[alert.LOGGED_IN] = logged_in.line(spool, people)
        except Exception as error:  # the report matters more
            trouble("The logged-in users could not be determined: " + defect(error))
    overflow.queue(spool, notice["id"], alert.to_json(notice))


def _prove(spool: Spool, sentences: "List[str]") -> None:
    """Run the audit: compare sshd's log with the known logins. A failure does not stop the rest of the check."""
    from . import proof  # not needed by an ordinary run of the sender

    try:
        proof.update(spool, sentences)
    except OSError as error:
        trouble(f"The audit failed: {error}.")
    except Exception as error:  # the daily summary does not depend on it
        trouble("The audit failed: " + defect(error))


def _measure(spool: Spool, found: "Health") -> None:
    """Write the metrics, if the configuration asks for them. A failure is only logged."""
    if not found.configuration or not found.configuration.metrics_file:
        return
    from . import metrics  # most hosts have no metrics

    try:
        metrics.write(spool, found)
    except Exception as error:
        trouble("The metrics could not be written: " + defect(error))


def _note(spool: Spool, told: "List[str]") -> None:
    contents = json.dumps({"told": told}).encode("ascii")
    (first, directory), (second, root) = places(spool)
    try:
        first.write(directory, FILE, contents, ALERT_MODE)
    except OSError:
        overflow.make()
        second.write(root, FILE, contents, ALERT_MODE)
    else:
        overflow.forget(FILE)


def _told(spool: Spool) -> "List[str]":
    for place, directory in reversed(places(spool)):
        try:
            told = json.loads(place.read(directory, FILE, LARGEST_BYTES).decode("utf-8"))["told"]
            return [key for key in told if isinstance(key, str)]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass
    return []
