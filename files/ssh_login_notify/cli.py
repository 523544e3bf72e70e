# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `ssh-login-notify send | heartbeat | check | test | status | flush | mute | audit`.

This module only parses and prints.

Exit codes (exit_codes.py): 0 all is well; 1 something was not delivered, or waits; 2 the configuration or the call is
wrong, or alerts failed; 3 unknown (not root, or a defect). `send` exits with 75 where the others exit with 1.
"""

import argparse
import json
import os
import sys

# Loaded now: journal imports it after root is given up, and the service user may not be able to read the file.
import syslog  # noqa: F401  # pylint: disable=unused-import
import time

from . import channels, config, exit_codes, journal, outlets, sender, trial, units
from .config import ConfigurationError
from .privileges import PrivilegeError
from .spool import Spool
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    # The exit code, the result for JSON, and the lines for people.
    Result = Tuple[int, Dict[str, Any], List[str]]

STATES = {
    exit_codes.OK: "ok",
    exit_codes.WARNING: "warning",
    exit_codes.CRITICAL: "critical",
    exit_codes.UNKNOWN: "unknown",
}


def main(arguments: "List[str]") -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        why = "only root can run it, because its configuration contains a secret; try sudo"
        print("ssh-login-notify: " + why, file=sys.stderr)
        return exit_codes.UNKNOWN
    os.umask(0o077)
    commands = {
        "check": check,
        "test": test,
        "status": status,
        "flush": flush,
        "heartbeat": beat,
        "mute": mute,
        "audit": audit,
    }
    try:
        if options.command == "send":
            return sender.main()
        code, found, lines = commands[options.command](options)
    except Exception as error:  # a traceback would show values, and monitoring would read its exit code as a warning
        sentence = journal.defect(error)
        if options.command == "send":
            journal.trouble(sentence)
            print("ssh-login-notify: " + sentence, file=sys.stderr)
            return exit_codes.UNKNOWN
        code = exit_codes.UNKNOWN
        found, lines = {"state": STATES[code], "answer": sentence}, ["UNKNOWN: " + sentence]
    _print(json.dumps(found, indent=2, sort_keys=True) if options.json else "\n".join(lines))
    return code


def _print(text: str) -> None:
    try:
        print(text)
    except UnicodeEncodeError:  # Python 3.6 in the locale of cron and NRPE
        print(text.encode("ascii", "backslashreplace").decode("ascii"))


class _Version(argparse.Action):
    """Prints the version. The build is computed only on request."""

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        from . import build

        _print("ssh-login-notify " + build.name())
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssh-login-notify",
        description="Report every SSH login. Without a command this is the hook that pam_exec(8) runs.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and the build, and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    commands.add_parser("send", help="send the waiting alerts, and retry for a while (for systemd and cron)")
    texts = {
        "check": "check whether a configuration is valid, and send nothing",
        "test": "send a test alert to each channel now, and show the answers",
        "status": "show in one line what is wrong, how many alerts wait or failed, and the last delivery",
        "flush": "send the waiting alerts now, and obey no pause but one that a channel requested",
        "heartbeat": "queue a heartbeat, whose delivery pings the dead man's switch (for systemd and cron)",
        "audit": "compare the logins in sshd's log with those that the notifier knows of",
        "mute": "mute further logins with this connection's user, address and key for some minutes",
    }
    for name in texts:
        command = commands.add_parser(name, help=texts[name], description=texts[name])
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        if name in ("check", "test"):
            other = f"{name} this file instead of the installed configuration"
            command.add_argument("--configuration", metavar="FILE", default=config.PATH, help=other)
        if name == "test":
            command.add_argument("--channel", metavar="NAME", default="", help="send it to this channel only")
        if name == "status":
            used = "with --json: show the keys that were used, by whom and when"
            command.add_argument("--keys", action="store_true", help=used)
        if name == "audit":
            since = "a date, `2026-11-01 12:00`, or how long ago: 90m, 24h, 7d (default: 24h)"
            command.add_argument("--since", metavar="TIME", default="24h", help=since)
        if name == "flush":
            command.add_argument("--failed", action="store_true", help="also retry alerts that were refused")
        if name == "mute":
            command.add_argument("--minutes", type=int, default=10, help="for how long, from 1 to 60 (default: 10)")
            command.add_argument("--reason", metavar="TEXT", default="", help="the reason, shown in the announcement")
            others = command.add_mutually_exclusive_group()
            others.add_argument("--pause", action="store_true", help="report these logins until `mute` runs again")
            others.add_argument("--end", action="store_true", help="end the mute now")
            command.add_argument("--check", action="store_true", help="only show what would be done")
        if name == "heartbeat":
            wait = "first wait a random time of up to this many seconds"
            command.add_argument("--spread", type=int, default=0, metavar="SECONDS", help=wait)
    return parser


def check(options: argparse.Namespace) -> "Result":
    """Check whether a configuration is valid."""
    try:
        configuration = config.load(options.configuration)
        for entry in configuration.channels:
            channels.load(entry, configuration, None)
    except ConfigurationError as error:
        return exit_codes.CRITICAL, {"usable": False, "problem": str(error)}, [str(error)]
    return exit_codes.OK, {"usable": True, "problem": None}, ["the configuration is valid"]


def test(options: argparse.Namespace) -> "Result":
    """Send a test alert at once, and return the answer."""
    units.end_pauses()
    code, found = trial.run(options.configuration, options.channel)
    results = found["channels"]
    if len(results) < 2:
        return code, found, [_tried(found)]
    return code, found, [f"{name}: {_tried(results[name])}" for name in results]


def _tried(result: "Dict[str, Any]") -> str:
    if result["delivered"]:
        return "delivered in {seconds:.2f} seconds: {status} {answer}".format(**result)
    said = "{} {}".format(result["status"] or "", result["answer"]).strip()
    return "not delivered. {}: {}".format(said, result["mend"])


def flush(options: argparse.Namespace) -> "Result":
    """Send the waiting alerts now; with --failed also those that a channel refused."""
    units.end_pauses()
    spool = Spool()
    found: Dict[str, Any] = {"delivered": 0, "waiting": None, "failed": None, "answer": None}
    try:
        run = sender.flush(spool, options.failed)
        if run:
            found.update(delivered=run.delivered, answer=run.last_answer or _why_not(spool))
        else:
            found["sender"] = "another sender is running and sends them: `ssh-login-notify status` shows the result"
        spools = outlets.places(spool)
        found["waiting"] = sum(len(place.names("outgoing")) for place in spools)
        found["failed"] = sum(len(place.names("failed")) for place in spools)
    except (ConfigurationError, PrivilegeError) as error:
        found["answer"] = str(error)
        return exit_codes.CRITICAL, found, [str(error)]
    except OSError as error:
        found["answer"] = f"the spool can't be used ({error}): run the role again"
        return exit_codes.CRITICAL, found, [found["answer"]]
    line = "delivered {delivered}, waiting {waiting}, failed {failed}".format(**found)
    code = exit_codes.CRITICAL if found["failed"] else exit_codes.WARNING if found["waiting"] else exit_codes.OK
    lines = [line, found.get("sender"), found["answer"] and "the last answer: {}".format(found["answer"])]
    return code, found, [text for text in lines if text]


def _why_not(spool: Spool) -> "Optional[str]":
    """Return why nothing was attempted, if a channel has requested a pause."""
    for place in outlets.places(spool):
        trouble = State(place).trouble
        if trouble:
            return "{what}: {mend}".format(**trouble)
    return None


def status(options: argparse.Namespace) -> "Result":
    """Report the state of the host. It changes nothing."""
    from . import build, health, mutes, proof  # loaded late: the sender of each login does not need them
    from .memory import Memory

    found = health.examine(Spool())
    word = STATES[found.severity]
    facts = health.as_json(found)
    if options.keys:
        memory = Memory(Spool())
        facts.update(keys=memory.keys(), keys_since=memory.since)
    windows = mutes.open_windows(Spool(), time.time())
    facts["completeness"] = proof.now(Spool())
    facts["mutes"] = list(map(mutes.as_json, windows))
    # Monitoring parses the text after the first bar, so a user's name must not contain one.
    line = "; ".join(
        [health.as_line(found, word), proof.line(facts["completeness"]), *map(mutes.line, windows)]
    ).replace("|", "\\u007c")
    return found.severity, dict(facts, version=build.name(), state=word), [f"{line} | {_performance_data(facts)}"]


def mute(options: argparse.Namespace) -> "Result":
    """Mute this connection's identity for some minutes, or pause or end the mute."""
    from . import mutes  # loaded late: the sender of each login does not need it

    spool = Spool()
    try:
        if options.pause or options.end:
            done = (mutes.pause if options.pause else mutes.end)(spool, options.check)
        else:
            done = mutes.open_window(spool, options.minutes, options.reason, options.check)
    except mutes.MuteError as error:
        return _not_muted(str(error))
    except OSError as error:
        return _not_muted(f"the spool can't be used ({error}): run the role again")
    window = done.window and mutes.as_json(done.window)
    lines = [mutes.line(done.window) if done.window else "nothing is muted for this connection", done.warning]
    found = {"changed": done.is_changed, "mute": window, "answer": "", "warning": done.warning}
    return exit_codes.OK, found, [line for line in lines if line]


def audit(options: argparse.Namespace) -> "Result":
    """Compare the logins of a period. It changes nothing."""
    from . import audit as comparison
    from . import proof  # loaded late: the sender of each login does not need it

    since = _moment(options.since, time.time())
    if since is None:
        why = f"--since {options.since} can't be read: give a date such as `2026-11-01 12:00`, or 90m, 24h or 7d"
        return exit_codes.CRITICAL, {"answer": why}, [why]
    try:
        result = proof.asked(Spool(), since)
    except OSError as error:
        why = f"the log or the spool can't be read ({error})"
        return exit_codes.UNKNOWN, {"answer": why}, [why]
    if result is None:
        why = "this host has no log of sshd that root can read"
        return exit_codes.UNKNOWN, {"answer": why}, [why]
    code = exit_codes.WARNING if result.is_doubtful else exit_codes.OK
    code = exit_codes.CRITICAL if result.missed_count else code
    return code, dict(result.as_json(), state=STATES[code]), comparison.lines(result)


def _moment(text: str, now: float) -> "Optional[float]":
    """Return the time that a text means, in seconds since the epoch; None if that is unclear."""
    units_of = {"m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdecimal() and text[-1:] in units_of:
        try:
            return max(now - int(text[:-1]) * units_of[text[-1]], 0.0)
        except (ValueError, OverflowError):  # thousands of digits
            return 0.0
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return time.mktime(time.strptime(text, form))
        except (ValueError, OverflowError):
            pass
    return None


def _not_muted(why: str) -> "Result":
    return exit_codes.CRITICAL, {"changed": False, "mute": None, "answer": why}, ["nothing was muted: " + why]


def _performance_data(facts: "Dict[str, Any]") -> str:
    """Return performance data as monitoring plugins print it: label=value[unit];warning;critical;minimum; U is unknown.

    Source: https://www.monitoring-plugins.org/doc/guidelines.html, "Performance data"
    """
    last = facts["last_delivery"]
    figures = {
        "captured": (facts["captured"], ""),
        "waiting": (facts["waiting"], ""),
        "failed": (facts["failed"], ""),
        "dropped": (facts["dropped"], "c"),
        "oldest_waiting": (facts["oldest_waiting_seconds"] or 0, "s"),
        "last_delivery_age": (round(max(time.time() - last["delivered_at"], 0)) if last else None, "s"),
    }
    shown = {label: "U" if value is None else f"{value}{unit}" for label, (value, unit) in figures.items()}
    return " ".join(f"{label}={value};;;0" for label, value in shown.items())


def beat(options: argparse.Namespace) -> "Result":
    """Queue a heartbeat."""
    from . import completeness, health, heartbeat  # loaded late: the sender of each login does not need them

    heartbeat.wait(options.spread)
    spool = Spool()
    problems = health.examine(spool).problems
    # Leave out what the heartbeat itself shows (whether alerts are delivered), and a past silence, which must not stop
    # the ping. A self-check that does not run can't report itself, but the dead man's switch can.
    sentences = [
        problem.sentence for problem in problems
        if problem.key == completeness.SELF_CHECK or not (problem.about_delivery or problem.key == "ping")
    ]  # fmt: skip
    try:
        heartbeat.queue(spool, sentences)
    except OSError as error:
        journal.trouble(f"No heartbeat was queued: {error}.")
        sentence = f"the spool can't be used ({error}): run the role again"
        return exit_codes.CRITICAL, {"queued": False}, [sentence]
    return exit_codes.OK, {"queued": True}, ["queued: `ssh-login-notify status` shows the result"]
