# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of an sshd: whether this sshd accepts logins, and the options that change its settings."""

import getopt
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

# The options of sshd (sshd.c, getopt), with a colon after each that has a value; and those that change its settings.
LETTERS = "C:E:b:c:f:g:h:k:o:p:u:46DGQRTdeiqrtV"
OF_SETTINGS = "bcfghkopu46"
# With these options sshd accepts no login: it prints or tests something, or is the child for one connection.
NO_LOGINS = "GQRTVt"
# The configuration files of the distributions.
CONFIGURATIONS = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
# The title of an sshd that listens, since OpenSSH 8.2 (sshd.c).
LISTENER = re.compile(r"\S+: (?P<line>/.*) \[listener\] [0-9]+ of [0-9]+-[0-9]+ startups")


def words(arguments: "List[str]") -> "List[str]":
    """Return the command line of a listening sshd from its process's arguments. Empty for any other process."""
    found = named(arguments)
    return found if options(found[1:]) is not None else []


def named(arguments: "List[str]") -> "List[str]":
    """Return the command line of a process whose name is that of an sshd, whatever its options. Empty for any other."""
    title = LISTENER.match(arguments[0]) if arguments else None
    found = title.group("line").split() if title else arguments
    if not found or (not title and "sshd" not in os.path.basename(found[0])):
        return []
    return found if found[0].startswith("/") else []


def options(words: "List[str]") -> "Optional[List[Tuple[str, str]]]":
    """Return the options that change the settings. Return None if these arguments start no sshd that accepts logins."""
    found: List[Tuple[str, str]] = []
    while words:
        try:
            more, words = getopt.getopt(words, LETTERS)
        except getopt.GetoptError:
            return None
        found += more
        # In a title, and in the output of systemctl, the value of -o has lost its quotes.
        while words and (words[0] == "-" or not words[0].startswith("-")):
            option, value = found.pop() if found else ("", "")
            found.append((option, value + " " + words[0]))
            words = words[1:]
    if any(option[1:] in NO_LOGINS for option, _value in found if option):
        return None
    return [(option, value) for option, value in found if option and option[1:] in OF_SETTINGS]


def configuration(options: "List[Tuple[str, str]]") -> str:
    """Return the path of the configuration of an sshd with these options. The last -f counts (sshd.c, getopt)."""
    named = [value for option, value in options if option == "-f"]
    existing = (path for path in CONFIGURATIONS if os.path.isfile(path))
    return named[-1] if named else next(existing, CONFIGURATIONS[-1])
