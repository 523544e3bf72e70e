# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notifier on the host: how to ask it, and what its answers say about a test alert."""

import json
import re
import subprocess
from typing import Any, Dict, List, NamedTuple, Optional

# `status` only reads files. It takes tenths of a second, and some ten seconds on an emulated processor.
STATUS_TIMEOUT_SECONDS = 60
# It waits up to 15 s for a login that is still being looked at.
MUTE_TIMEOUT_SECONDS = 75
OVERLOADED = "The host is overloaded, or a file system of it hangs. Run the command there to see which."
UNREACHABLE = "Check the host's network."


class NoAnswerError(Exception):
    """The test could not be made. The message says why, and what to do."""


class Outcome(NamedTuple):
    """The fate of a test alert. The fields are return values of the module."""

    delivered: bool
    status: Optional[int]
    answer: str
    mend: Optional[str]
    seconds: Optional[float]
    id: Optional[str]

    def failure(self) -> str:
        """Return the message for an alert that was not delivered."""
        answer = " ".join(str(word) for word in (self.status, self.answer) if word)
        what = f"The test alert was not delivered ({answer})." if answer else "The test alert was not delivered."
        return f"{what} {self.mend[0].upper()}{self.mend[1:]}." if self.mend else what


class Notifier:
    """The notifier, run as a program."""

    def __init__(self, program: str) -> None:
        self.program = program

    def status(self) -> Dict[str, Any]:
        """Return the answer of `status --json`. Raises NoAnswerError."""
        return self._ask(["status", "--json"], STATUS_TIMEOUT_SECONDS, OVERLOADED)

    def send_test_alert(self, configuration: Optional[str], timeout: float) -> Outcome:
        """Have it send a test alert, with another configuration if one is given. Raises NoAnswerError."""
        other = ["--configuration", configuration] if configuration else []
        return outcome_of_test(self._ask(["test", "--json", *other], timeout, UNREACHABLE))

    def mute(self, words: List[str]) -> Dict[str, Any]:
        """Have it mute this connection's identity, as these options say. Raises NoAnswerError."""
        return self._ask(["mute", "--json", *words], MUTE_TIMEOUT_SECONDS, OVERLOADED)

    def _ask(self, words: List[str], timeout: float, hint: str) -> Dict[str, Any]:
        """Return the answer to a command. hint: what to do when it does not answer within ``timeout`` seconds."""
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

    Raises NoAnswerError for anything else. It does not quote the output, which may contain secrets.
    """
    try:
        answer = json.loads(output.decode("utf-8"))
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # The notifier exits with 3 if it is not run by root.
        hint = "Become root for this task." if code == 3 else "Run it on the host to see why."
        raise NoAnswerError(f"'{command}' exited with {code} and printed no JSON. {hint}")
    return answer


def outcome_of_test(answer: Dict[str, Any]) -> Outcome:
    """Return the outcome from the answer of `test --json`."""
    return Outcome(
        delivered=answer.get("delivered") is True,
        status=answer.get("status"),
        answer=without_secrets(answer.get("answer")) or "",
        mend=without_secrets(answer.get("mend")),
        seconds=answer.get("seconds"),
        id=without_secrets(answer.get("id")),
    )


def outcome_of_login(status: Dict[str, Any], origin: str, seconds: float, is_over: bool) -> Optional[Outcome]:
    """Return the outcome of the login from ``origin``, from the answer of `status --json`; None while it is open.

    A refusal that no retry can change is final at once. After any other, the sender retries until time ``is_over``.
    """
    for delivery in status.get("recent_deliveries") or []:
        if delivery.get("from") == origin:
            return Outcome(True, delivery.get("status"), "ok", None, seconds, delivery.get("id"))
    last = status.get("last_answer") or {}
    if last.get("from") == origin and (is_over or is_final(last.get("status"))):
        answer, advice = without_secrets(last.get("answer")) or "", without_secrets(last.get("mend"))
        return Outcome(False, last.get("status"), answer, advice, seconds, without_secrets(last.get("id")))
    return None


def outcome_of_timeout(status: Dict[str, Any], program: str, seconds: float) -> Outcome:
    """Return the outcome of a login whose alert was neither delivered nor refused in time."""
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
    """Whether a retry cannot change an answer with this HTTP status: client errors except 408 and 429."""
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def without_secrets(text: Optional[str]) -> Optional[str]:
    """Return ``text`` with the paths of URLs masked, because a webhook's secret is in its path.

    The notifier does not print its webhook. This is a second line of defence.
    """
    if text is None:
        return None
    text = re.sub(r"(https?://[^/\s'\"]+)/[^\s'\"]*", r"\1/...", str(text))
    return re.sub(r"/services/[^\s'\"]*", "/services/...", text)
