# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that the administrator provides: it reads the alerts from standard input, and its exit code is the result.

It runs without a shell, in the sandbox of the sender's unit, and as the service user, because the sender has given up
root. Its environment has three variables. After a time limit it is killed, with everything that it has started in its
process group. Only root may be able to change it: the file, and each directory on its path. All users of the host can
see its arguments, so no secret belongs there.

Exit codes are those of sysexits.h: 0 for delivered, EX_TEMPFAIL (75) for later, EX_DATAERR (65) for a message that will
never be accepted, EX_CONFIG (78) for a fault that a person has to fix. After any other code the message is retried.
"""

import json
import os
import selectors
import signal
import subprocess
import time

from .. import document, trust, wording
from ..config import ConfigurationError
from ..text import SEPARATOR, plain_or_quoted
from ..transport import Answer, TransportError
from . import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED, BaseChannel, Verdict, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..alert import Alert
    from ..config import Configuration
    from ..spool import Spool

TIMEOUT_SECONDS = 30
# How much of the program's output is read and shown.
LARGEST_OUTPUT_BYTES = 4096
# How many bytes are written or read at a time: a pipe that is ready accepts as many (pipe(7), PIPE_BUF).
PIECE_BYTES = 4096
# A killed program ends at once, unless it waits for a disk.
LONGEST_KILL_SECONDS = 5
# How often to check whether the program has ended, while it prints nothing.
LOOK_SECONDS = 0.1
TEXT = "text"
# HOME belongs to root, so other users can't put a configuration there.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8"}
EX_OK, EX_DATAERR, EX_TEMPFAIL, EX_CONFIG = 0, 65, 75, 78
KINDS = {EX_OK: DELIVERED, EX_DATAERR: REFUSED, EX_TEMPFAIL: LIMITED, EX_CONFIG: CLOSED}
# A shell adds this to the number of the signal that ended a program.
SIGNALLED = 128
MENDS = {
    REFUSED: "the program refuses this message (exit code 65)",
    LIMITED: "the program asks to try again later (exit code 75); it is tried again",
    CLOSED: "the program says that its configuration is wrong (exit code 78): correct it",
    FAILED: "the program has failed; run it as the user ssh-login-notify to see why; it is tried again",
}


class Channel(BaseChannel):
    """A program. settings: `command`, its path and arguments, and optionally `timeout` in seconds, and `format`."""

    WAY = "look at the program, and run it as the user ssh-login-notify to see what it does"

    def __init__(self, settings: "Dict[str, Any]", configuration: "Configuration", spool: "Optional[Spool]") -> None:
        """See BaseChannel."""
        super().__init__(settings, configuration, spool)
        self._command = [str(word) for word in settings["command"]]
        self._timeout = settings.get("timeout") or TIMEOUT_SECONDS
        why = self._unsafe()
        if why:
            raise ConfigurationError(why)

    @property
    def _program(self) -> str:
        return plain_or_quoted(self._command[0])

    def _unsafe(self) -> str:
        """Return why the program must not be run, "" if it can be."""
        if not self._command[0].startswith("/"):
            return f"the program {self._program} of a channel needs its whole path: correct it and run the role again"
        try:
            found = trust.changeable(self._command[0])
        except OSError as error:
            return f"the program {self._program} of a channel can't be used ({error.strerror}): install it"
        if found is None:
            return ""
        who = "users other than root can change the program"
        return f"{who} {self._program} of a channel: chown root and chmod go-w {plain_or_quoted(found)}"

    def fitting(self, alerts: "List[Alert]", now: float) -> "List[Alert]":
        """Return the first of these alerts."""
        return alerts[: self.DIGEST_LIMIT]

    def message(self, alerts: "List[Alert]", now: float, dropped: int = 0) -> bytes:
        """Return the program's input: the document as one line of JSON, or a line of text for each alert."""
        if self.settings.get("format") != TEXT:
            return json.dumps(document.of(alerts, self.configuration, now, dropped)).encode("ascii") + b"\n"
        lines = [wording.dropped(dropped, self.configuration.say)] if dropped else []
        for alert in alerts:
            lines.append(wording.text(alert, self.configuration, now) + f"{SEPARATOR}id {alert['id']}")
        return "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")

    def send(self, message: bytes, alerts: "List[Alert]") -> Answer:
        """Run the program, and return its exit code and its output. Raise TransportError if it has no exit code."""
        why = self._unsafe()
        if why:
            raise TransportError(why)
        # The process that started this one may ignore SIGCHLD, and that is inherited. The kernel then keeps no exit
        # code of a child (wait(2), NOTES), and Python reports 0.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            process = subprocess.Popen(  # noqa: S603 - the administrator's own command, without a shell
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                env=ENVIRONMENT, start_new_session=True, preexec_fn=_unblock,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its arguments are wrong"
            raise TransportError(f"the program {self._program} can't be run: {why}") from None
        try:
            output = _talk(process, message, time.monotonic() + self._timeout)
        finally:
            is_over = process.poll() is not None
            if not is_over:
                _kill(process)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        if not is_over:
            raise TransportError(f"the program {self._program} was ended after {self._timeout} seconds", sent=True)
        code = process.returncode
        return Answer(code if code >= 0 else SIGNALLED - code, output.decode("utf-8", "backslashreplace").strip())

    def read(self, answer: Answer) -> Verdict:
        """Return what an exit code means."""
        kind = KINDS.get(answer.status, FAILED)
        return verdict(kind, MENDS.get(kind, ""), answer)

    def knock(self) -> None:
        """Return None: a program can't be asked without running it."""
        return


def _unblock() -> None:
    """Unblock all signals: the program would inherit the sender's mask, and Go's runtime needs SIGURG."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program and everything that it started. If it became another user, it is neither killed nor waited for."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(LONGEST_KILL_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        pass


def _talk(process: "subprocess.Popen[bytes]", message: bytes, until: float) -> bytes:
    """Write a message to a program, and return the beginning of its output, until it ends or the time is over.

    The end of the program counts, not that of its output: a process that it leaves behind can keep the output open.
    """
    stdin, stdout = process.stdin, process.stdout
    output, left = b"", message
    if stdin is None or stdout is None:
        return output  # only for the type checker: both are pipes
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        while time.monotonic() < until:
            is_over = process.poll() is not None
            ready = {key.fileobj for key, _events in selector.select(0 if is_over else LOOK_SECONDS)}
            if stdin in ready:
                left = _written(stdin.fileno(), left)
                if not left:
                    selector.unregister(stdin)
                    _close(stdin)
            if stdout in ready:
                piece = os.read(stdout.fileno(), PIECE_BYTES)
                output += piece[: LARGEST_OUTPUT_BYTES - len(output)]
                if not piece:
                    selector.unregister(stdout)
            elif is_over:
                break
            if not selector.get_map():
                _wait(process, until)
                break
    return output


def _written(descriptor: int, left: bytes) -> bytes:
    """Write a piece, and return the rest; an empty rest if the program has closed its standard input."""
    try:
        return left[os.write(descriptor, left[:PIECE_BYTES]) :]
    except BrokenPipeError:
        return b""  # the program may not need the rest


def _close(pipe: "Any") -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        pass


def _wait(process: "subprocess.Popen[bytes]", until: float) -> None:
    try:
        process.wait(max(until - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        pass
