"""The command line: `ssh-login-notify send | heartbeat | check | test | status | flush`.

Exit codes: 0 well; 1 something was not delivered, or waits; 2 the configuration or the call is wrong, or alerts failed;
3 not known (not root, or a defect). `send` ends with 75 where others end with 1.
"""

import argparse
import json
import os
import signal
import sys
import syslog  # noqa: F401  # pylint: disable=unused-import
import time

from . import VERSION, alert, ballast, config, journal, limits, overflow, slack, watch
from .config import Configuration, ConfigurationError
from .finisher import start_follower
from .observer import finish_abandoned
from .privileges import PrivilegeError, give_up
from .sender import MAKE_WAY, WAY, Sender, retry_after
from .spool import Lock, Spool
from .state import State
from .transport import Answer, Transport, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

# journal loads syslog late: when root is given up, and the service user may not be able to read it.
WELL, UNDELIVERED, WRONG, NOT_KNOWN = 0, 1, 2, 3
# EX_TEMPFAIL (sysexits.h), for systemd: not 1, with which a Python ends that can't even start the program.
TRY_LATER = 75
SLACKS_WAIT = 30.0  # seconds that `test` waits, when Slack has asked for it
CAN_NOT_STOP_WAKING = 60.0  # seconds that a run lasts longer when the sign that has started it can't be taken away
SENDER_AT_WORK = 5.0  # seconds that `flush` waits for a sender that is at work already
STATES = {WELL: "ok", UNDELIVERED: "warning", WRONG: "critical", NOT_KNOWN: "unknown"}


def main(arguments: "List[str]") -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        print("ssh-login-notify: only root may use it, its configuration holds a secret; try sudo", file=sys.stderr)
        return NOT_KNOWN
    os.umask(0o077)
    commands = {"check": check, "test": test, "status": status, "flush": flush, "heartbeat": beat}
    try:
        if options.command == "send":
            code = send()
            return TRY_LATER if code == UNDELIVERED else code
        if options.command in ("flush", "test"):
            from . import units

            units.end_pause()  # while this is root: who asks may have mended what kept the sender from running
        code, found, lines = commands[options.command](options)
    except Exception as error:  # a traceback would show values, and monitoring would take its exit code for a warning
        sentence = journal.defect(error)
        if options.command == "send":
            journal.trouble(sentence)
            print("ssh-login-notify: " + sentence, file=sys.stderr)
            return NOT_KNOWN
        code, found, lines = NOT_KNOWN, {"state": STATES[NOT_KNOWN], "answer": sentence}, ["UNKNOWN: " + sentence]
    _print(json.dumps(found, indent=2, sort_keys=True) if options.json else "\n".join(lines))
    return code


def _print(text: str) -> None:
    try:
        print(text)
    except UnicodeEncodeError:  # Python 3.6 in the locale of cron and NRPE
        print(text.encode("ascii", "backslashreplace").decode("ascii"))


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
        "check": "tell whether a configuration can be used, and send nothing",
        "test": "send a test alert now, and say what Slack answered",
        "status": "tell in one line what is wrong, what waits, what failed, the last delivery",
        "flush": "send what waits now, and wait for nothing but what Slack has asked for",
        "heartbeat": "send a sign of life the whole way, and tell the dead man's switch (for systemd and cron)",
    }
    for name in texts:
        command = commands.add_parser(name, help=texts[name], description=texts[name])
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        if name in ("check", "test"):
            other = f"{name} this configuration instead, which need not be installed"
            command.add_argument("--configuration", metavar="FILE", default=config.PATH, help=other)
        if name == "flush":
            command.add_argument("--failed", action="store_true", help="first put back what was refused")
        if name == "heartbeat":
            wait = "wait first, for up to so many seconds, left to chance"
            command.add_argument("--spread", type=int, default=0, metavar="SECONDS", help=wait)
    return parser


def send() -> int:
    """Look whether all is well, when that is due, and send what waits. It looks again after giving up the lock."""
    spool = Spool()
    # Whenever somebody asks for it, it is heard in the next wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, [MAKE_WAY])
    stopped = _stop_waking(spool)
    code = _send(spool)
    if not stopped:
        # systemd would start us again at once, for ever.
        time.sleep(CAN_NOT_STOP_WAKING)
    return code


def _stop_waking(spool: Spool) -> bool:
    """Take both signs to wake away; return False if one of them stays."""
    stopped = True
    for stop in (overflow.stop_waking, spool.stop_waking):
        try:
            stop()
        except OSError:
            stopped = False
    return stopped


def _send(spool: Spool) -> int:
    try:
        lock = Lock(spool.path("sender.lock"))
        if not lock.take():
            return WELL
        _tidy(spool)
        if watch.is_due(spool):
            _watch(spool)
        rest: Optional[overflow.Rest] = overflow.Rest()
        configuration, transport = _begin(spool)
        while lock.take():
            sender = Sender(spool, configuration, transport, rest)
            settled = sender.run()
            if rest:
                rest.close()
            rest = None
            lock.give_up()
            # An observer that found the lock held has left it to this run.
            if not settled or not sender.is_due():
                return WELL if settled else UNDELIVERED
    except (ConfigurationError, PrivilegeError, TransportError) as error:
        return _complain(spool, str(error))
    except OSError as error:
        return _complain(spool, f"the spool can't be used: {error}: run the role again")
    return WELL


def _watch(spool: Spool) -> None:
    try:
        watch.look(spool)
    except Exception as error:  # whatever it is, the logins' alerts must not wait for it
        journal.trouble("the watch failed: " + journal.defect(error))


def _tidy(spool: Spool) -> None:
    """Do what takes root, and the sender's lock: two that do it at once could make two alerts of one login."""
    spool.clear_abandoned()
    try:
        overflow.bring_back(spool)
    except OSError as error:
        journal.trouble(f"the spool still takes no alerts: {error}")
    finish_abandoned(spool)
    start_follower(spool)
    ballast.report_lost(spool)
    try:
        ballast.refill(spool)
    except OSError:
        pass  # a full disk, which `status` finds


def _begin(spool: Spool) -> "Tuple[Configuration, Transport]":
    """Read what takes root to read, and give root up. Raise ConfigurationError, PrivilegeError, OSError."""
    try:
        configuration = config.load()
        transport = Transport(configuration)
        give_up()
    except (ConfigurationError, PrivilegeError):
        # Nothing is sent until that is mended, and that must not fill the disk.
        limits.enforce(spool, State(spool), config.DEFAULTS["most_waiting"], config.DEFAULTS["most_waiting_mib"])
        raise
    return configuration, transport


def _complain(spool: Spool, sentence: str) -> int:
    """Tell systemd's journal or cron, the system's log, and whoever asks for the status. For who has the lock."""
    State(spool).troubled(sentence, "nothing is sent until then")
    journal.trouble(sentence)
    if "JOURNAL_STREAM" not in os.environ:  # systemd's service, whose journal has the line by syslog already
        print("ssh-login-notify: " + sentence, file=sys.stderr)
    return WRONG


def check(options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Say whether a configuration can be used."""
    try:
        Transport(config.load(options.configuration))
    except ConfigurationError as error:
        return WRONG, {"usable": False, "problem": str(error)}, [str(error)]
    return WELL, {"usable": True, "problem": None}, ["it can be used"]


def test(options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Send a test alert past the spool, and say what came back."""
    began = time.time()
    own = alert.own(alert.TEST_SERVICE, [])
    found: Dict[str, Any] = {"delivered": False, "status": None, "answer": "", "mend": None, "id": own["id"]}
    code = WRONG
    try:
        configuration = config.load(options.configuration)
        transport = Transport(configuration)
        _wait_for_slack()
        lock = _lock_of_sender()
        give_up()
        answer = transport.post(json.dumps(slack.single(own, configuration, began)).encode("ascii"))
        delivered = answer.status == 200 and answer.text == "ok"
        if not delivered:
            _pass_on(answer, lock)
        found.update(delivered=delivered, status=answer.status, answer=answer.words)
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


def _wait_for_slack() -> None:
    """Wait as Slack has asked this host to; raise TransportError when that would take too long."""
    left = State(Spool()).seconds_left(asked=True)
    if left > SLACKS_WAIT:
        raise TransportError(f"Slack has asked for a pause, of which {left:.0f} seconds are left")
    time.sleep(left)


def _lock_of_sender() -> "Optional[Lock]":
    try:
        return Lock(Spool().path("sender.lock"))
    except OSError:
        return None  # a test goes past the spool, and does without one


def _pass_on(answer: Answer, lock: "Optional[Lock]") -> None:
    """Have the sender wait as well, if Slack has asked for it. One that is at work will hear of it by itself."""
    asked = retry_after(answer.retry_after)
    if asked is not None and lock and lock.take():
        State(Spool()).waiting(str(answer), slack.mend(answer.status, answer.text), asked, asked=True)


def flush(options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Send what waits, without a wait; with --failed also what was refused."""
    spool = Spool()
    found: Dict[str, Any] = {"delivered": 0, "waiting": None, "failed": None, "answer": None}
    try:
        lock = Lock(spool.path("sender.lock"))
        if not _take(lock):
            found["sender"] = "a sender is at work and sends it: `ssh-login-notify status` tells what becomes of it"
        else:
            _tidy(spool)
            rest = overflow.Rest()
            configuration, transport = _begin(spool)
            for name in spool.names("failed") if options.failed else []:
                spool.retry(name)
            sender = Sender(spool, configuration, transport, rest)
            sender.run(patient=False)
            rest.close()
            found.update(delivered=sender.delivered, answer=sender.last_answer or _why_not(spool))
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
    lines = [line, found.get("sender"), found["answer"] and "what came of it: {}".format(found["answer"])]
    return code, found, [text for text in lines if text]


def _why_not(spool: Spool) -> "Optional[str]":
    """Return why nothing was tried, where it was for what Slack has asked for."""
    trouble = State(spool).trouble
    return "{what}: {mend}".format(**trouble) if trouble else None


def _take(lock: Lock) -> bool:
    """Take the lock of a sender, and have one that only waits make way; return False if it is at work."""
    until = time.monotonic() + SENDER_AT_WORK
    asked = 0
    while not lock.take():
        if time.monotonic() > until:
            return False
        holder = lock.holder()
        if holder and holder != asked:
            _ask_to_make_way(holder)
            asked = holder
        time.sleep(0.05)
    return True


def _ask_to_make_way(pid: int) -> None:
    try:
        os.kill(pid, MAKE_WAY)
    except ProcessLookupError:
        pass  # it has just ended


def status(_options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Say how things stand, without changing anything."""
    from . import health

    found = health.Health(Spool())
    word = STATES[found.severity]
    return found.severity, dict(health.as_json(found), version=VERSION, state=word), [health.as_line(found, word)]


def beat(options: argparse.Namespace) -> "Tuple[int, Dict[str, Any], List[str]]":
    """Queue a heartbeat."""
    from . import health, heartbeat

    heartbeat.wait(options.spread)
    spool = Spool()
    problems = health.Health(spool).problems
    # Whether things are delivered is what the heartbeat itself shows; and silence must not silence the switch.
    sentences = [problem.sentence for problem in problems if not problem.about_delivery and problem.key != "ping"]
    try:
        heartbeat.queue(spool, sentences)
    except OSError as error:
        journal.trouble(f"no heartbeat was queued: {error}")
        return WRONG, {"queued": False}, [f"the spool can't be used: {error}: run the role again"]
    return WELL, {"queued": True}, ["queued; `ssh-login-notify status` tells what became of it"]
