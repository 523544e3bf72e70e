# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the notifier's commands on the host, and reads the outcome of a test alert from their output."""

import json
import re
import subprocess
from typing import Any, Dict, List, NamedTuple, Optional

# `status` only reads files. It takes tenths of a second, and about ten seconds on an emulated processor.
STATUS_TIMEOUT_SECONDS = 60
# `mute` waits up to 15 s for a login that is still being observed.
MUTE_TIMEOUT_SECONDS = 75
OVERLOADED = "The host is overloaded, or a file system of it hangs. Run the command there to see which."
UNREACHABLE = "Check the host's network."


class NoAnswerError(Exception):
    """The notifier did not answer, or the test could not be run. The message says why, and what to do."""


class Outcome(NamedTuple):
    """The outcome of a test alert. The fields are the return values of the module test_alert."""

    delivered: bool
    status: Optional[int]
    answer: str
    mend: Optional[str]
    seconds: Optional[float]
    id: Optional[str]
    # The channel that the fields above are about; None if there is only one channel.
    channel: Optional[str] = None
    # With several channels, the fields above for each of them, by name; None for one that has not been tried.
    channels: Dict[str, Optional[Dict[str, Any]]] = {}  # noqa: RUF012 - nothing changes it

    def failure(self) -> str:
        """Return the message for an alert that was not delivered."""
        answer = " ".join(str(word) for word in (self.status, self.answer) if word)
        what = "The test alert was not delivered" + (f" to the channel {self.channel}" if self.channel else "")
        what += f" ({answer})." if answer else "."
        return f"{what} {self.mend[0].upper()}{self.mend[1:]}." if self.mend else what


class Notifier:
    """The notifier, run as a program."""

    def __init__(self, program: str) -> None:
        self.program = program

    def status(self) -> Dict[str, Any]:
        """Return the answer of `status --json`. Raises NoAnswerError."""
        return self._ask(["status", "--json"], STATUS_TIMEOUT_SECONDS, OVERLOADED)

    def send_test_alert(self, configuration: Optional[str], timeout: float, channel: Optional[str] = None) -> Outcome:
        """Send a test alert to each channel. Raises NoAnswerError.

        configuration: the path of another configuration than the installed one. channel: the name of the only channel
        to try
        """
        words = ["--configuration", configuration] if configuration else []
        words += ["--channel", channel] if channel else []
        return outcome_of_test(self._ask(["test", "--json", *words], timeout, UNREACHABLE))

    def try_the_others(self, outcome: Outcome, timeout: float) -> Outcome:
        """Send a test alert to each channel that the rules have not sent the login's alert to. Raises NoAnswerError."""
        for name in [name for name, result in outcome.channels.items() if result is None]:
            other = self.send_test_alert(None, timeout, name)
            tried = dict(outcome.channels, **{name: result_of(other)})
            if not other.delivered:
                return other._replace(channel=name, channels=tried)
            outcome = outcome._replace(channels=tried)
        return outcome

    def mute(self, words: List[str]) -> Dict[str, Any]:
        """Run `mute` with these options, for the user, address and key of this connection. Raises NoAnswerError."""
        return self._ask(["mute", "--json", *words], MUTE_TIMEOUT_SECONDS, OVERLOADED)

    def _ask(self, words: List[str], timeout: float, hint: str) -> Dict[str, Any]:
        """Run a command and return its answer. hint: what to do if there is none within ``timeout`` seconds."""
        command = " ".join([self.program, *words])
        try:
            done = subprocess.run(  # noqa: S603 - the program is the task's argument
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise NoAnswerError(
                f"{self.program}, or the interpreter in its first line, does not exist."
                " Run the role loginwatch.pam.ssh_login_notify first."
            ) from None
        except OSError as error:
            raise NoAnswerError(
                f"{self.program} cannot be run: {error.strerror}. Run the role again, as root."
            ) from None
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"'{command}' did not answer within {timeout:g} s. {hint}") from None
        return parse_answer(command, done.returncode, done.stdout)


def parse_answer(command: str, code: int, output: bytes) -> Dict[str, Any]:
    """Return the JSON object that the notifier printed.

    Raises NoAnswerError if it printed anything else. The message does not quote the output, which may contain secrets.
    """
    try:
        answer = json.loads(output.decode("utf-8"))
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # The notifier exits with code 3 if it is not run by root.
        hint = "Become root for this task." if code == 3 else "Run it on the host to see why."
        raise NoAnswerError(f"'{command}' exited with {code} and printed no JSON. {hint}")
    return answer


def outcome_of_test(answer: Dict[str, Any]) -> Outcome:
    """Return the outcome from the output of `test --json`."""
    kept = answer.get("channels")
    found = kept if isinstance(kept, dict) else {}  # type: Dict[str, Any]
    channels = {name: result_of(outcome_of_test(found[name])) for name in found}
    failed = [name for name, result in channels.items() if not result["delivered"]]
    shown = found[failed[0]] if failed else answer
    return Outcome(
        delivered=answer.get("delivered") is True and not failed,
        status=shown.get("status"),
        answer=without_secrets(shown.get("answer")) or "",
        mend=without_secrets(shown.get("mend")),
        seconds=answer.get("seconds"),
        id=without_secrets(answer.get("id")),
        channel=failed[0] if failed and len(channels) > 1 else None,
        channels=dict(channels) if len(channels) > 1 else {},
    )


def result_of(outcome: Outcome) -> Dict[str, Any]:
    """Return the fields of an outcome that the module returns for each channel."""
    fields = ("delivered", "status", "answer", "mend", "seconds")
    return {name: getattr(outcome, name) for name in fields}


def outcome_of_login(status: Dict[str, Any], origin: str, seconds: float, is_over: bool) -> Optional[Outcome]:
    """Return the outcome of the login from ``origin``, from the output of `status --json`; None while it is not known.

    A refusal that no retry can change is final at once. After any other refusal, the sender retries until time
    ``is_over``.
    """
    if len(status.get("channels") or {}) > 1:
        return _outcome_of_channels(status, origin, seconds, is_over)
    for delivery in status.get("recent_deliveries") or []:
        if delivery.get("from") == origin:
            return Outcome(True, delivery.get("status"), "ok", None, seconds, delivery.get("id"))
    last = status.get("last_answer") or {}
    if last.get("from") == origin and (is_over or is_final(last.get("status"))):
        answer, advice = without_secrets(last.get("answer")) or "", without_secrets(last.get("mend"))
        return Outcome(False, last.get("status"), answer, advice, seconds, without_secrets(last.get("id")))
    return None


def _outcome_of_channels(status: Dict[str, Any], origin: str, seconds: float, is_over: bool) -> Optional[Outcome]:
    """Return the outcome of a login with several channels; None while it is not known.

    The rules may have selected only some of the channels.
    """
    channels = status["channels"]
    delivered = {}
    for delivery in status.get("recent_deliveries") or []:
        if delivery.get("from") == origin:
            outcome = Outcome(True, delivery.get("status"), "ok", None, seconds, without_secrets(delivery.get("id")))
            delivered[delivery.get("channel")] = outcome
    results = {name: result_of(delivered[name]) if name in delivered else None for name in channels}
    waiting = [name for name in channels if name not in delivered and channels[name].get("waiting")]
    refused = [name for name in channels if (channels[name].get("last_answer") or {}).get("from") == origin]
    for name in [*refused, *waiting] if is_over else refused:
        last = channels[name].get("last_answer") or {}
        if name not in delivered and (is_over or is_final(last.get("status"))):
            answer, advice = without_secrets(last.get("answer")) or "", without_secrets(last.get("mend"))
            failed = Outcome(False, last.get("status"), answer, advice, seconds, without_secrets(last.get("id")), name)
            return failed._replace(channels=dict(results, **{name: result_of(failed)}))
    is_routed = bool(delivered) or any(entry.get("from") == origin for entry in status.get("recent_ignored") or [])
    if waiting or not is_routed:
        return None
    first = next(iter(delivered.values()), Outcome(True, None, "no channel takes it", None, seconds, None))
    return first._replace(channels=results)


def outcome_of_timeout(status: Dict[str, Any], program: str, seconds: float) -> Outcome:
    """Return the outcome for a login whose alert was neither delivered nor refused in time."""
    counts = ", ".join(f"{status.get(name, '?')} {name}" for name in ("captured", "waiting", "failed"))
    problems = [str(problem) for problem in status.get("problems") or []]
    answer = "; ".join([f"the session's alert was not delivered in time ({counts})", *problems])
    return Outcome(
        delivered=False,
        status=None,
        answer=without_secrets(answer) or "",
        mend=f"run '{program} status' and '{program} test' on the host, and search its log for ssh-login-notify",
        seconds=seconds,
        id=None,
    )


def is_final(status: Optional[int]) -> bool:
    """Return whether a retry cannot change an answer with this HTTP status: client errors except 408 and 429."""
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def without_secrets(text: Optional[str]) -> Optional[str]:
    """Return ``text`` with the paths of URLs masked, because a webhook's secret is in its path.

    The notifier itself does not print its webhook. This is a second line of defence.
    """
    if text is None:
        return None
    text = re.sub(r"(https?://[^/\s'\"]+)/[^\s'\"]*", r"\1/...", str(text))
    return re.sub(r"/services/[^\s'\"]*", "/services/...", text)
