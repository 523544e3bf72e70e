"""The command line: `ssh-login-notify send | test | status | flush`.

Exit codes: 0 well; 1 something was not delivered, or waits; 2 the configuration or the call is wrong, or alerts failed;
3 not known (not root).
"""

import argparse
import json
import os
import sys
import syslog  # noqa: F401  # pylint: disable=unused-import
import time

from . import VERSION, config, journal, slack
from .config import Configuration, ConfigurationError
from .observer import ABANDONED, finish_abandoned
from .privileges import PrivilegeError, give_up
from .sender import WAY, Sender
from .spool import Lock, Spool, written_at
from .state import State
from .text import printable
from .transport import Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

# journal loads syslog late: when root is given up, and the service user may not be able to read it.
WELL, UNDELIVERED, WRONG, NOT_KNOWN = 0, 1, 2, 3
WAITS_TOO_LONG = 900  # seconds
SENDER_AT_WORK = 5.0  # seconds that `flush` waits for a sender that is at work already
STATES = {WELL: "ok", UNDELIVERED: "warning", WRONG: "critical", NOT_KNOWN: "unknown"}


def main(arguments: "List[str]") -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        print("ssh-login-notify: only root may use it, its configuration holds a secret; try sudo", file=sys.stderr)
        return NOT_KNOWN
    os.umask(0o077)
    if options.command == "send":
        return send()
    code, found, lines = {"test": test, "status": status, "flush": flush}[options.command](options)
    print(json.dumps(found, indent=2, sort_keys=True) if options.json else "\n".join(lines))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ssh-login-notify",
        description="Tell a Slack channel about every login. Without a command it is the hook that pam_exec(8) runs.",
    )
    parser.add_argument("--version", action="version", version="ssh-login-notify " + VERSION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    commands.add_parser("send", help="send what waits, and stay while there is hope (for systemd and cron)")
    texts = {
        "test": "send a test alert now, and say what Slack answered",
        "status": "show the configuration, what waits, what failed, the last delivery",
        "flush": "send what waits now, whatever a wait was agreed",
    }
    for name in ("test", "status", "flush"):
        command = commands.add_parser(name, help=texts[name], description=texts[name])
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        if name == "flush":
            command.add_argument("--failed", action="store_true", help="first put back what was refused")
    return parser


def send() -> int:
    """Finish captures that a crash left behind, then send what waits. It looks again after giving up the lock."""
    spool = Spool()
    try:
        finish_abandoned(spool)
        configuration = config.load()
        transport = Transport(configuration)
        lock = Lock(spool.path("sender.lock"))
        give_up()
        while lock.take():
            settled = Sender(spool, configuration, transport).run()
            lock.give_up()
            # An observer that found the lock held has left it to this run.
            if not settled or not spool.names("outgoing"):
                return WELL if settled else UNDELIVERED
    except (ConfigurationError, PrivilegeError, TransportError) as error:
        return _complain(str(error), WRONG)
    except OSError as error:
        return _complain(f"the spool can't be used: {error}: run the role again", WRONG)
    return WELL


def _complain(sentence: str, code: int) -> int:
    """Tell systemd's journal or cron, the system's log, and whoever asks for the status."""
    try:
        State(Spool()).waiting(sentence, "nothing is sent until then", 0)
    except OSError:
        pass  # the sentence is about that, most likely
    journal.trouble(sentence)
    print("ssh-login-notify: " + sentence, file=sys.stderr)
    return code


def test(_options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Send a test alert past the spool, and say what came back."""
    began = time.time()
    name = f"{began:017.6f}-{os.getpid()}"
    found: Dict[str, Any] = {"delivered": False, "status": None, "answer": "", "mend": None, "id": name}
    code = WRONG
    try:
        configuration = config.load()
        transport = Transport(configuration)
        give_up()
        alert = slack.test_alert(os.uname().nodename, name)
        answer = transport.post(json.dumps(slack.single(alert, configuration, began)).encode("ascii"))
        delivered = answer.status == 200 and answer.text == "ok"
        found.update(delivered=delivered, status=answer.status, answer=printable(answer.text))
        found["mend"] = None if delivered else slack.mend(answer.status, answer.text)
        code = WELL if delivered else UNDELIVERED
    except (ConfigurationError, PrivilegeError) as error:
        found["answer"], _colon, found["mend"] = str(error).partition(": ")
    except TransportError as error:
        found.update(answer=str(error), mend=WAY)
        code = UNDELIVERED
    found["seconds"] = round(time.time() - began, 3)
    if found["delivered"]:
        return code, found, ["delivered in {seconds:.2f} seconds: {status} {answer}".format(**found)]
    said = "{} {}".format(found["status"] or "", found["answer"]).strip()
    return code, found, ["not delivered. {}: {}".format(said, found["mend"])]


def flush(options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Send what waits, without a wait; with --failed also what was refused."""
    spool = Spool()
    found: Dict[str, Any] = {"delivered": 0, "waiting": None, "failed": None, "answer": None}
    try:
        finish_abandoned(spool)
        configuration = config.load()
        transport = Transport(configuration)
        lock = Lock(spool.path("sender.lock"))
        give_up()
        if not _take(lock):
            found["answer"] = "a sender is at work on it already; see `ssh-login-notify status`"
        else:
            for name in spool.names("failed") if options.failed else []:
                spool.retry(name)
            sender = Sender(spool, configuration, transport)
            sender.run(patient=False)
            found.update(delivered=sender.delivered, answer=sender.last_answer or None)
        found["waiting"] = len(spool.names("outgoing"))
        found["failed"] = len(spool.names("failed"))
    except (ConfigurationError, PrivilegeError, TransportError) as error:
        found["answer"] = str(error)
        return WRONG, found, [str(error)]
    except OSError as error:
        found["answer"] = f"the spool can't be used: {error}: run the role again"
        return WRONG, found, [found["answer"]]
    line = "delivered {delivered}, waiting {waiting}, failed {failed}".format(**found)
    code = WRONG if found["failed"] else UNDELIVERED if found["waiting"] else WELL
    return code, found, [line] + (["Slack's last answer: {}".format(found["answer"])] if found["answer"] else [])


def _take(lock: Lock) -> bool:
    until = time.monotonic() + SENDER_AT_WORK
    while not lock.take():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def status(_options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Say how things stand, without changing anything."""
    spool = Spool()
    problems: List[Tuple[int, str]] = []
    found: Dict[str, Any] = {
        "version": VERSION,
        "configuration": {"path": config.PATH},
        "captured": None,
        "waiting": None,
        "oldest_waiting_seconds": None,
        "failed": None,
        "last_delivery": None,
        "recent_deliveries": [],
        "last_answer": None,
    }
    try:
        found["configuration"].update(_shown(config.load()))
    except ConfigurationError as error:
        problems.append((WRONG, str(error)))
    try:
        _look_at_spool(spool, found, problems)
    except OSError as error:
        problems.append((WRONG, f"the spool can't be used: {error}: run the role again"))
    code = max([code for code, _problem in problems], default=WELL)
    found["state"] = STATES[code]
    found["problems"] = [problem for _code, problem in problems]
    return code, found, _status_lines(found)


def _shown(configuration: Configuration) -> "Dict[str, Any]":
    return {
        "webhook_host": configuration.webhook_host,
        "host_label": configuration.host_label or os.uname().nodename,
        "proxy": configuration.proxy,
        "ca_file": configuration.ca_file,
        "people": len(configuration.people),
        "ignore": len(configuration.ignore),
    }


def _look_at_spool(spool: Spool, found: "Dict[str, Any]", problems: "List[Tuple[int, str]]") -> None:
    state = State(spool)
    captured, waiting, failed = (spool.names(name) for name in ("incoming", "outgoing", "failed"))
    oldest = _age(waiting)
    found.update(captured=len(captured), waiting=len(waiting), failed=len(failed), oldest_waiting_seconds=oldest)
    found["recent_deliveries"] = state.recent
    found["last_delivery"] = state.recent[-1] if state.recent else None
    found["last_answer"] = state.last_answer
    trouble = "{what}: {mend}".format(**state.trouble) if state.trouble else "the sender has not come to it"
    if (_age(captured) or 0) > ABANDONED:
        problems.append((UNDELIVERED, "a capture has waited for longer than a minute for an observer"))
    if waiting and (oldest or 0) > WAITS_TOO_LONG:
        problems.append((WRONG, f"alerts have waited for {(oldest or 0) / 60:.0f} minutes: {trouble}"))
    elif waiting and state.trouble:
        problems.append((UNDELIVERED, "alerts wait: " + trouble))
    if failed:
        problems.append((WRONG, f"{len(failed)} alerts were refused, the last with {_answer(spool, failed[-1])}"))


def _answer(spool: Spool, name: str) -> str:
    try:
        return printable(spool.read("failed", name + ".answer").strip())
    except OSError:
        return "an answer that is gone"


def _age(names: "List[str]") -> "Optional[float]":
    return round(max(time.time() - written_at(names[0]), 0), 1) if names else None


def _status_lines(found: "Dict[str, Any]") -> "List[str]":
    configuration, last = found["configuration"], found["last_delivery"]
    lines = ["{}: {}".format(found["state"].upper(), "; ".join(found["problems"]) or "nothing is wrong")]
    if "webhook_host" in configuration:
        lines.append("webhook at {webhook_host}, this server is {host_label}".format(**configuration))
    lines.append("captured {captured}, waiting {waiting}, failed {failed}".format(**found))
    if last:
        when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(last["delivered_at"]))
        lines.append("last delivery {}: {} from {}".format(when, last["user"], last["from"]))
    return lines
