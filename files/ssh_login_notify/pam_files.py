# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of PAM services on this host: the file that PAM reads for a service, and its includes."""

import os

from . import pam_stack, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection, Iterator, List, Optional, Set, Tuple

LARGEST_BYTES = 1 << 20
# The file that PAM reads for a service without a file of its own (pam(8)).
FALLBACK = "other"


def path_of(service: str) -> str:
    """Return the path of a service's file in /etc/pam.d, the administrator's directory."""
    return os.path.join(paths.PAM_DIRECTORIES[0], service)


def read(path: str) -> str:
    """Return the text of a PAM file. A pipe reads as empty. Raise OSError, or PamStackError if it is not text."""
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
        return pam_stack.decode(file.read(LARGEST_BYTES) or b"")


def find(name: str) -> "Optional[Tuple[str, str]]":
    """Return the path and the text of the file that PAM reads for a service or an include, or None if there is none."""
    for directory in paths.PAM_DIRECTORIES:
        path = os.path.join(directory, name)
        try:
            return path, read(path)
        except (OSError, pam_stack.PamStackError):
            continue
    return None


def used_by(services: "Collection[str]") -> "Set[str]":
    """Return the names of these services, of the files that they link to, and of their includes in all parts."""
    used: Set[str] = set()
    waiting: List[str] = list(services)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += _next(name, session_only=False)
    return used


def reports(service: str, services: "Collection[str]") -> bool:
    """Return whether a session of a service runs the rules of one of `services`: its own file, or an include."""
    seen: Set[str] = set()
    waiting = [service if service in services or find(service) else FALLBACK]
    while waiting:
        name = waiting.pop()
        if name in services:
            return True
        if name not in seen:
            seen.add(name)
            waiting += _next(name, session_only=True)
    return False


def _next(name: str, session_only: bool) -> "Iterator[str]":
    """Yield the name of the file that a service's file links to, and the names of its includes."""
    found = find(name)
    if found is None:
        return
    path, text = found
    directory, target = os.path.split(os.path.realpath(path))
    if directory == os.path.realpath(os.path.dirname(path)) and target != name:
        yield target
    for rule in pam_stack.parse(text):
        if rule.included and (not session_only or rule.facility in ("session", "@include")):
            yield rule.included
