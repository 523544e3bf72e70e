# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that the administrator has configured pam_env(8) to set in every login: /etc/environment, pam_env.conf.

On the RHEL family, pam_env is in the auth part of the PAM stack, above the notifier's line. So the environment of each
login has these variables, and they are no anomaly. Only an exact value from a file that only root can write is
accepted: a user could have set any other value (~/.pam_environment, with `user_readenv=1`).

The files are read as Linux-PAM 1.3.1 to 1.7.2 read them (pam_env.c: _parse_env_file, _parse_line, econf_read_file).
Where these versions differ, the values of all of them are accepted. A value that pam_env expands from others
(`${NAME}`, `@{HOME}`) is not accepted, because it can depend on the user.
"""

import glob
import os
import re

from . import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Set, Tuple

# The files that pam_env reads by default. With libeconf, these include the directories and the vendor's files below
# /usr/etc.
ENVIRONMENTS = ("/etc/environment", "/etc/environment.d/*", "/usr/etc/environment", "/usr/etc/environment.d/*")
CONFIGURATIONS = (
    "/etc/security/pam_env.conf",
    "/etc/security/pam_env.conf.d/*.conf",
    "/usr/etc/security/pam_env.conf",
    "/usr/etc/security/pam_env.conf.d/*.conf",
)
LARGEST_BYTES = 1 << 18
# A line of an environment file, and a line of pam_env.conf with its two kinds of values.
ASSIGNMENT = re.compile(rb"[ \t]*(?:export )?(\w+)=([^\n]*)", re.ASCII)
VALUE = rb"(?:DEFAULT|OVERRIDE)=(?:\"([^\"]*)\"|([^ \t\"][^ \t]*)?)"
DEFINITION = re.compile(rb"[ \t]*(\w+)((?:[ \t]+" + VALUE + rb")+)\Z", re.ASCII)
# A value that contains one of these is expanded by pam_env, or the line is refused.
EXPANDED = (b"${", b"@{", b"\\")


def values(service: bytes) -> "Dict[bytes, Set[bytes]]":
    """Return the values that each variable can get from files that only root can write. service: the PAM service."""
    found: Dict[bytes, Set[bytes]] = {}
    environments, configurations = _files_of(service)
    for read, patterns in ((_assigned, [*ENVIRONMENTS, *environments]), (_defined, [*CONFIGURATIONS, *configurations])):
        for text in filter(None, map(_roots_text, _matching(patterns))):
            for name, value in read(text):
                found.setdefault(name, set()).add(value)
    return found


def _matching(patterns: "List[str]") -> "Iterator[str]":
    for pattern in patterns:
        yield from sorted(glob.glob(pattern)) if "*" in pattern else [pattern]


def _roots_text(path: str) -> "Optional[bytes]":
    """Return a file's text, or None if it is missing or other users can change it."""
    if not os.path.isfile(path) or trust.open_directories([path]):
        return None
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return None


def _assigned(text: bytes) -> "Iterator[Tuple[bytes, bytes]]":
    for line in text.split(b"\n"):
        match = ASSIGNMENT.match(line)
        if match:
            # Up to 1.3.1, a # ends the value wherever it is.
            for value in (match.group(2), match.group(2).partition(b"#")[0]):
                plain = value.strip(b" \t\r")
                yield match.group(1), plain
                if plain[:1] in (b'"', b"'"):
                    # pam_env removes the first quote, and a quote of either kind at the end.
                    yield match.group(1), plain[1:-1] if plain[-1:] in (b'"', b"'") else plain[1:]


def _defined(text: bytes) -> "Iterator[Tuple[bytes, bytes]]":
    for line in text.split(b"\n"):
        match = DEFINITION.match(line.partition(b"#")[0].rstrip(b" \t\r"))
        if match:
            for quoted, word in re.findall(VALUE, match.group(2)):
                if not any(sign in quoted + word for sign in EXPANDED):
                    yield match.group(1), quoted + word


def _files_of(service: bytes) -> "Tuple[List[str], List[str]]":
    """Return the files that the PAM stack names: environments (envfile=), and those like pam_env.conf (conffile=)."""
    from . import pam_files, pam_stack

    name = os.fsdecode(service)
    top = pam_files.find(name) if name and "/" not in name else None
    arguments = pam_stack.pam_env_arguments(top[0], top[1], pam_files.find) if top else []
    environments, configurations = (
        [argument.partition("=")[2] for argument in arguments if argument.startswith(option)]
        for option in ("envfile=/", "conffile=/")
    )
    return environments, configurations
