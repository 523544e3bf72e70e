# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes a PAM session through libpam, as a login program does (``pam(3)``, Linux-PAM's headers).

A child process holds the session, because pam_exec waits for its program without a time limit.
"""

import ctypes
import json
import os
import select
import signal
import time
from typing import Any, Dict, List, Optional

# From Linux-PAM's security/_pam_types.h. They are part of its ABI.
PAM_SUCCESS = 0
PAM_BUF_ERR = 5
PAM_CONV_ERR = 19
PAM_TTY = 3
PAM_RHOST = 4
PAM_PROMPTS = (1, 2)


class PamError(Exception):
    """The session could not be opened. The message says why."""


class _Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


class _Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]


_CONVERSE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)),
    ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    _fields_ = [("converse", _CONVERSE), ("data", ctypes.c_void_p)]


def open_session_in_child(timeout: float, **session: Any) -> List[str]:
    """Run ``open_session`` in a child process. Kill it after ``timeout`` seconds. Raises PamError."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, session)
    os.close(writing)
    try:
        answer = _read_all(reading, time.monotonic() + timeout)
        if answer is None:
            os.kill(child, signal.SIGKILL)
            raise PamError(f"opening the session took longer than {timeout:g} s")
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if not answer:
        raise PamError("the process that opened the session died")
    outcome = json.loads(answer.decode("utf-8"))
    if "error" in outcome:
        raise PamError(outcome["error"])
    return outcome["messages"]


def _answer(writing: int, session: Dict[str, Any]) -> None:
    """Run the child. It must exit here, and never return to its copy of the module."""
    try:
        try:
            outcome: Dict[str, Any] = {"messages": open_session(**session)}
        except (PamError, OSError) as error:
            outcome = {"error": str(error)}
        os.write(writing, json.dumps(outcome).encode("utf-8"))
    finally:
        os._exit(0)


def _read_all(reading: int, deadline: float) -> Optional[bytes]:
    """Return everything that the child writes until it closes its end, or None at the deadline."""
    answer = b""
    while True:
        ready, _writable, _failed = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(reading, 65536)
        if not chunk:
            return answer
        answer += chunk


def open_session(
    service: str, user: str, items: Dict[int, str], environment: Dict[str, str], confdir: Optional[str] = None
) -> List[str]:
    """Open a session of a PAM service and close it. Return the messages of the PAM modules to the user.

    ``items`` are set with pam_set_item (``PAM_TTY``, ``PAM_RHOST``), ``environment`` with pam_putenv. ``confdir`` is a
    directory of services to use instead of /etc/pam.d; it needs Linux-PAM 1.4.
    Raises PamError if the session cannot be opened, and OSError if there is no libpam. A failing close is not an error:
    if the only line of a service is pam_exec with type=open_session, no module can succeed at the close.
    """
    pam = ctypes.CDLL("libpam.so.0")
    pam.pam_strerror.restype = ctypes.c_char_p
    messages: List[str] = []
    conversation = _Conversation(_conversation(messages), None)
    handle = ctypes.c_void_p()
    code = _start(pam, service, user, conversation, handle, confdir)
    if code != PAM_SUCCESS:
        raise PamError(f"pam_start failed with code {code}")
    try:
        for item, value in items.items():
            code = code or pam.pam_set_item(handle, item, ctypes.c_char_p(value.encode()))
        for name, value in environment.items():
            code = code or pam.pam_putenv(handle, f"{name}={value}".encode())
        code = code or pam.pam_open_session(handle, 0)
        if code != PAM_SUCCESS:
            reason = pam.pam_strerror(handle, code).decode("utf-8", "replace")
            raise PamError(": ".join([reason, *messages]))
        pam.pam_close_session(handle, 0)
    finally:
        pam.pam_end(handle, code)
    return messages


def _start(
    pam: Any, service: str, user: str, conversation: _Conversation, handle: ctypes.c_void_p, confdir: Optional[str]
) -> int:
    arguments = (service.encode(), user.encode(), ctypes.byref(conversation))
    if confdir is None:
        return pam.pam_start(*arguments, ctypes.byref(handle))
    try:
        start = pam.pam_start_confdir
    except AttributeError:
        raise PamError("this libpam reads only /etc/pam.d; another directory needs Linux-PAM 1.4") from None
    return start(*arguments, os.fsencode(confdir), ctypes.byref(handle))


def _conversation(messages: List[str]) -> Any:
    """Return a conversation (``pam_conv(3)``) that collects messages and answers no prompt."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = ctypes.c_void_p
    libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]

    def converse(count: int, questions: Any, responses: Any, _data: Any) -> int:
        if any(questions[number].contents.style in PAM_PROMPTS for number in range(count)):
            return PAM_CONV_ERR
        # libpam frees the answers, so they must come from the C library's allocator.
        memory = libc.calloc(count, ctypes.sizeof(_Response))
        if not memory:
            return PAM_BUF_ERR
        messages.extend((questions[number].contents.text or b"").decode("utf-8", "replace") for number in range(count))
        responses[0] = ctypes.cast(memory, ctypes.POINTER(_Response))
        return PAM_SUCCESS

    return _CONVERSE(converse)
