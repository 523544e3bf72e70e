# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that every login was reported. Each self-check extends it by comparing the new part of the log (audit.py).

The state of the proof is in ledger/audit.json, which only root can write. A missed login is reported once, in one
message with all others that were found at the same time. The message is saved together with the cursor before it is
queued. So a kill in between can only repeat it, with the same id.
"""

import json
import os
import time

from . import alert, audit, config, ledger, outlets, overflow, sshd_history, suspects
from .config import ConfigurationError
from .installation import installed_at
from .journal import defect, trouble
from .problem import counted
from .spool import SKEW_SECONDS, Spool
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

FILE = "audit.json"
VERSION = 1
LARGEST_BYTES = 4 << 20
# The time limit of a comparison, because alerts wait for it. The next self-check continues where it ended.
RUN_SECONDS = 2.0
# If the audit is further behind than this, the log grows too fast for the normal limit, so a longer one applies.
BEHIND_SECONDS = 3600.0
BEHIND_RUN_SECONDS = 20.0
# The time limit if a person has requested the audit.
ASKED_SECONDS = 600.0
# How many facts are kept that can explain an unknown login: changes of the installed files, results of self-checks,
# boots, and names of this host.
MOST_INSTALLS = 50
MOST_LOOKS = 300
MOST_BOOTS = 20
MOST_HOSTS = 20
# Self-checks with the same result that are further apart than this count as two periods.
LOOK_APART_SECONDS = 900.0
# Boot times that are closer than this are the same boot: the clock is corrected all the time.
BOOT_APART_SECONDS = 30.0
# clock_gettime(2): the seconds since boot, including time in suspend. Python has the name since 3.7.
CLOCK_BOOTTIME = 7
# How many missed logins a message lists, and the longest line, in characters.
MOST_TOLD = 10
LONGEST_LINE = 300


class Proof:
    """The state of the proof.

    kept: the contents of ledger/audit.json. is_new: nothing was compared before.

    Keys of `kept`; times are in seconds since the epoch. began: since when the ledger has every login. until: up to
    when the log was compared. proven: the same, without a gap. complete_since: since when no login was missed.
    last_missed: time of the last missed login, 0 for never. last_found: when that was detected. accepted, known,
    missed, unlogged: numbers of logins in total. doubts: the same, by suspects.DOUBTS. cursor, tail: where the next
    audit continues. installs, looks, boots, hosts: see suspects.Context. gaps: of the last audit. message: a message
    that is not queued yet. told: the counts of the last daily summary (completeness.py).
    """

    def __init__(self, spool: Spool) -> None:
        """Load the state. If it is missing or damaged, the proof begins now."""
        self._spool = spool
        now = time.time()
        self.kept: Dict[str, Any] = {
            "version": VERSION, "began": now, "until": now, "proven": now, "complete_since": now, "accepted": 0,
            "known": 0, "missed": 0, "last_missed": 0.0, "last_found": 0.0, "unlogged": 0, "doubts": {}, "cursor": "",
            "tail": None, "installs": [], "looks": [], "boots": [], "hosts": [], "gaps": [], "message": None,
            "told": None,
        }  # fmt: skip
        self.is_new = True
        try:
            kept = json.loads(spool.read(ledger.DIRECTORY, FILE, LARGEST_BYTES).decode("ascii"))
            if kept["version"] == VERSION and set(kept) == set(self.kept):
                self.kept = kept
                self.is_new = False
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            trouble(f"The record of the audit, ledger/{FILE}, can't be read ({error!r}): the audit starts again.")

    @property
    def looked(self) -> float:
        """Return the time of the last self-check, in seconds since the epoch."""
        looks = self.kept["looks"]
        return float(looks[-1][1] if looks else self.kept["began"])

    def keep(self) -> None:
        """Save the state. Raise OSError if the spool does not accept it."""
        self._spool.write(ledger.DIRECTORY, FILE, json.dumps(self.kept).encode("ascii"), 0o600, durable=True)

    def context(self) -> suspects.Context:
        """Return the facts that can explain why a login is unknown."""
        try:
            configuration = config.load()
            services, accepts = configuration.pam_services, configuration.accept
        except ConfigurationError:
            services, accepts = config.DEFAULTS["pam_services"], []
        kept = self.kept
        hosts = [*kept["hosts"], suspects.short(os.uname().nodename)]
        return suspects.Context(
            kept["began"], kept["installs"], kept["looks"], services, kept["boots"], hosts, "unreported_sshd" in accepts
        )

    def look(self, now: float, sentences: "List[str]") -> None:
        """Record the result of a self-check, and other facts that can explain later why a login is unknown."""
        kept, looks = self.kept, self.kept["looks"]
        if looks and looks[-1][2] == sentences and 0 <= now - looks[-1][1] < LOOK_APART_SECONDS:
            looks[-1][1] = now
        else:
            looks.append([now, now, sentences])
        kept["looks"] = looks[-MOST_LOOKS:]
        changed = installed_at()
        if changed and changed not in kept["installs"]:
            kept["installs"] = [*kept["installs"], changed][-MOST_INSTALLS:]
        booted = now - time.clock_gettime(CLOCK_BOOTTIME)
        if all(abs(booted - other) > BOOT_APART_SECONDS for other in kept["boots"]):
            kept["boots"] = [*kept["boots"], booted][-MOST_BOOTS:]
        self._call(suspects.short(os.uname().nodename))

    def _call(self, host: str) -> None:
        """Remember a name of this host. After a change, the log still has lines with the old name."""
        if host not in self.kept["hosts"]:
            self.kept["hosts"] = [*self.kept["hosts"], host][-MOST_HOSTS:]

    def compare(self, now: float) -> None:
        """Compare the new part of the log, and add the result. A part that can't be read is recorded as a gap."""
        kept, horizon = self.kept, now - audit.YOUNG_SECONDS
        context = self.context()
        history = sshd_history.here(context.services)
        if history is None:
            kept["gaps"] = ["this host has no log of sshd that root can read"]
            return
        was_set_back = kept["until"] > now + SKEW_SECONDS
        if self.is_new or not (horizon > kept["until"] or was_set_back):
            return
        # If the clock was set back, the cursor decides where the comparison continues, not the time.
        since = horizon if was_set_back else kept["until"]
        is_behind = horizon - since > BEHIND_SECONDS
        deadline = time.monotonic() + (BEHIND_RUN_SECONDS if is_behind else RUN_SECONDS)
        try:
            result, tail = audit.compare(
                self._spool, history, context, since, horizon, deadline, kept["cursor"], kept["tail"]
            )
        except OSError as error:
            kept["gaps"] = [f"{history.name} or the ledger can't be read ({printable(str(error))})"]
            return
        except Exception as error:
            kept["gaps"] = [f"the comparison with {history.name} failed ({defect(error)})"]
            raise
        self._add(result, tail)
        if not result.is_whole and horizon - result.until > BEHIND_SECONDS:
            behind = f"the audit is behind, and has compared the log up to {suspects.shown(result.until)}"
            kept["gaps"] = [*kept["gaps"], behind]

    def _add(self, result: audit.Result, tail: "Dict[str, Any]") -> None:
        kept = self.kept
        kept.update(until=result.until, cursor=result.cursor, tail=tail, gaps=result.gaps)
        kept["accepted"] += result.accepted
        kept["known"] += result.known
        for doubt, count in result.doubts.items():
            kept["doubts"][doubt] = kept["doubts"].get(doubt, 0) + count
        kept["missed"] += result.missed_count
        kept["unlogged"] += result.unlogged
        for host in sorted(result.hosts):
            self._call(host)
        if result.gaps:
            kept["complete_since"] = max(result.until, kept["complete_since"])
        else:
            kept["proven"] = result.until
        if result.missed_count:
            kept["last_found"] = time.time()
            kept["last_missed"] = result.last_missed
            kept["complete_since"] = max(result.last_missed, kept["complete_since"])
            before = kept["message"]
            # Include the missed logins of an earlier message that could not be queued.
            count = result.missed_count + (alert.missed_count(before) if before else 0)
            notes = (before["notes"] if before else []) + told(result)
            kept["message"] = alert.missed(count, notes[: 2 * MOST_TOLD])

    def as_json(self) -> "Dict[str, Any]":
        """Return what is proven, in the form for JSON."""
        names = (
            "began", "until", "proven", "complete_since", "accepted", "known", "doubts", "missed", "last_missed",
            "last_found", "unlogged", "gaps",
        )  # fmt: skip
        return {} if self.is_new else dict({name: self.kept[name] for name in names}, looked=self.looked)


def update(spool: Spool, sentences: "List[str]") -> None:
    """Compare the new part of the log, and queue a message about missed logins. For root. Raise OSError.

    sentences: the problems that the self-check has found. If nothing could be compared, the reason is kept as a gap.
    """
    now = time.time()
    proof = Proof(spool)
    kept = proof.kept
    for begin in ("began", "proven", "complete_since"):
        kept[begin] = min(kept[begin], now)
    proof.look(now, [printable(sentence, LONGEST_LINE) for sentence in sentences])
    try:
        proof.compare(now)
    finally:
        proof.keep()
    if kept["message"]:
        overflow.queue(spool, kept["message"]["id"], alert.to_json(kept["message"]))
        kept["message"] = None
        proof.keep()
    _tidy(lambda: _prune(proof, spool, now))
    for place in outlets.places(spool):
        _tidy(lambda place=place: ledger.prune_ends(place, now))  # type: ignore[misc]
    _tidy(lambda: ledger.bring_back(spool))


def _tidy(step: "Callable[[], None]") -> None:
    """Run one step, and log its failure, so that the other steps run anyway."""
    try:
        step()
    except OSError as error:
        trouble(f"The ledger could not be tidied: {error}.")


def _prune(proof: Proof, spool: Spool, now: float) -> None:
    since = min(ledger.prune(spool, now), now)
    if since > proof.kept["began"]:
        proof.kept["began"] = since
        proof.keep()


def told(result: audit.Result) -> "List[str]":
    """Return the text about missed logins for the message: sshd's lines, each with the likely reason."""
    count = result.missed_count
    sentences = [f"{printable(missed.line, LONGEST_LINE)} ({missed.reason})" for missed in result.missed[:MOST_TOLD]]
    if count > MOST_TOLD:
        sentences.append(f"{count - MOST_TOLD} more: run `ssh-login-notify audit`")
    return sentences


def asked(spool: Spool, since: float) -> "Optional[audit.Result]":
    """Compare the log since a time, and return the result, or None if no log can be read. Change nothing.

    For `ssh-login-notify audit`. Raise OSError if reading the log or the ledger fails.
    """
    proof = Proof(spool)
    context, kept = proof.context(), proof.kept
    history = sshd_history.here(context.services)
    if history is None:
        return None
    known_runs = (kept["until"], kept["tail"]["with_pam"]) if kept["tail"] else None
    until = time.time() - audit.YOUNG_SECONDS
    deadline = time.monotonic() + ASKED_SECONDS
    return audit.compare(spool, history, context, min(since, until), until, deadline, known_runs=known_runs)[0]


def as_json(spool: Spool) -> "Dict[str, Any]":
    """Return what the last self-check has proven, in the form for JSON."""
    return Proof(spool).as_json()


def now(spool: Spool) -> "Dict[str, Any]":
    """Compare the log since the last self-check, and return what is proven. Save nothing. For root."""
    proof = Proof(spool)
    proof.compare(time.time())
    return proof.as_json()


def line(found: "Dict[str, Any]") -> str:
    """Return one line that says since when every login is known. found: from as_json"""
    if not found:
        return "completeness is not verified yet"
    if found["gaps"]:
        return "completeness can't be verified: " + printable(found["gaps"][0], LONGEST_LINE)
    if time.time() - found["until"] > BEHIND_SECONDS:
        return "completeness was last verified at " + suspects.shown(found["until"])
    since = suspects.shown(found["complete_since"])
    numbers = counts(found)
    parts = [f"{counted(numbers['accepted'], 'login')} accepted in total", f"{numbers['known']} known"]
    return f"complete since {since} ({', '.join(parts + exceptions(numbers))})"


def counts(found: "Dict[str, Any]") -> "Dict[str, int]":
    """Return how many logins this host accepted, and how many of them are known, missed and doubtful.

    elsewhere: how many more the log has, of other hosts or containers. found: from as_json, or `kept` of a Proof
    """
    elsewhere = found["doubts"].get("elsewhere", 0)
    accepted, known, missed = found["accepted"] - elsewhere, found["known"], found["missed"]
    return {
        "accepted": accepted, "known": known, "missed": missed, "doubtful": accepted - known - missed,
        "elsewhere": elsewhere,
    }  # fmt: skip


def exceptions(numbers: "Dict[str, int]") -> "List[str]":
    """Return clauses about the logins that are not known. numbers: from counts, or differences of these"""
    said = {
        "missed": "{} not reported", "doubtful": "{} in doubt", "elsewhere": "besides {} of other hosts or containers",
    }  # fmt: skip
    return [clause.format(numbers[name]) for name, clause in said.items() if numbers[name]]
