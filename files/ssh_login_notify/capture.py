# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook's record of one login, and how to read it.

A capture is the hook's header and the hook's environment. Each is a sequence of NAME=value entries that end in NUL, as
in environ(5), and an empty entry separates them:

    capture=1 NUL parent=4242 NUL parent_stat=4242 (sshd) S ... NUL NUL SSH_CONNECTION=... NUL ... PAM_USER=deploy NUL

pam_exec(8) passes the PAM environment first and the genuine PAM_* items after it (pam_exec.c, call_exec). So of two
equal names the last one is true, and the first is an attempt to forge it.
"""

from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

FORMAT = b"1"

# The value that files/pam_env.conf gives SSH_AUTH_INFO_0 if the hook could not be run with the real one.
AUTHENTICATION, WITHHELD = b"SSH_AUTH_INFO_0", b"withheld"

# No honest user sets these, and each would run code or redirect a connection in a root process.
SUSPICIOUS = (b"LD_", b"PYTHON", b"GCONV_PATH", b"OPENSSL_", b"SSL_CERT_", b"LOCPATH", b"NLSPATH", b"MALLOC_")


class Capture:
    """One login as the hook saw it.

    name: the file's name in incoming/, also the alert's id.
    time: when the hook ran, in seconds since the epoch.
    parent: pid of the sshd process that serves the connection.
    parent_start: its start time in clock ticks after boot (proc(5), field 22), None if it could not be read.
    parent_name: its name (proc(5), comm), empty if it could not be read.
    environment: the variables; of equal names the last.
    is_withheld: whether the hook was not given sshd's text about the authentication (docs/pam-line.md).
    is_sshds: whether the session is one of sshd, not one of another service such as login(1) or su(1).
    """

    def __init__(self, name: str, raw: bytes) -> None:
        """Read a capture. A damaged one is not rejected, but gets a note: there was a login in any case."""
        head, separator, tail = raw.partition(b"\0\0")
        header = dict(_pairs(head)[0])
        self._pairs, self._repeated = _pairs(tail)
        self.name = name
        self.time = float(name.partition("-")[0])
        self.parent = _number(header.get(b"parent", b""))
        self.parent_start = start_time(header.get(b"parent_stat", b""))
        self.parent_name = process_name(header.get(b"parent_stat", b""))
        self.environment = dict(self._pairs)
        self.is_withheld = self.get(AUTHENTICATION) == WITHHELD
        self.is_sshds = self._is_sshds()
        self._is_damaged = not separator or header.get(b"capture") != FORMAT or not tail

    def get(self, name: bytes) -> bytes:
        """Return a variable's value, empty if it is not set."""
        return self.environment.get(name, b"")

    def _is_sshds(self) -> bool:
        # sshd sets PAM_TTY to "ssh" (auth-pam.c, sshpam_init), and no other service does. The other signs are for
        # the case that a PAM module has replaced it.
        signs = (b"SSH_CONNECTION" in self.environment, AUTHENTICATION in self.environment)
        return self.get(b"PAM_TTY") == b"ssh" or self.get(b"PAM_SERVICE") in (b"", b"sshd") or any(signs)

    def _loaded(self) -> "List[bytes]":
        """Return the suspicious variables that have, at least once, a value that the administrator did not set."""
        loaded = {name for name in self.environment if name.startswith(SUSPICIOUS)}
        if loaded:
            from . import pam_environment

            known = pam_environment.values(self.get(b"PAM_SERVICE"))
            loaded = {name for name, value in self._pairs if name in loaded and value not in known.get(name, ())}
        return sorted(loaded)

    @property
    def notes(self) -> "List[str]":
        """Return the anomalies of the environment, as sentences for an operator."""
        from . import peer  # not at the top, because the observer never needs it

        notes = []
        forged = sorted(name for name in self._repeated if name.startswith((b"PAM_", b"SSH_")))
        loaded = self._loaded()
        if forged:
            notes.append("the login's environment tried to forge " + _names(forged))
        if loaded:
            notes.append("the login's environment held " + _names(loaded))
        if peer.differ(self.get(b"SSH_CONNECTION"), self.get(b"PAM_RHOST")):
            notes.append("SSH_CONNECTION and PAM_RHOST have different addresses; the latter is PAM's own")
        if self.is_withheld:
            notes.append(
                "the hook could not be run with what sshd said about the key or certificate, most likely because it is"
                " too long; the system's log (sshd) has its fingerprint"
            )
        if self._is_damaged:
            notes.append("the record of this login that the hook wrote is damaged, or of another version")
        return notes


def start_time(stat: bytes) -> "Optional[int]":
    """Return field 22 of a line of /proc/PID/stat. The name in parentheses may contain spaces and parentheses."""
    fields = stat.rpartition(b")")[2].split()
    return _number(fields[19]) if len(fields) > 19 else None


def process_name(stat: bytes) -> bytes:
    """Return field 2 of a line of /proc/PID/stat: the name in parentheses, which may contain parentheses itself."""
    return stat.partition(b"(")[2].rpartition(b")")[0]


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 20 else 0


def _pairs(block: bytes) -> "Tuple[List[Tuple[bytes, bytes]], List[bytes]]":
    """Return the NAME=value pairs of a block, and the names that occur more than once."""
    pairs = []
    seen: Dict[bytes, int] = {}
    for entry in block.split(b"\0"):
        name, separator, value = entry.partition(b"=")
        if name and separator:
            pairs.append((name, value))
            seen[name] = seen.get(name, 0) + 1
    return pairs, [name for name in seen if seen[name] > 1]


def _names(names: "List[bytes]") -> str:
    shown = [plain_or_quoted(printable(name, 40)) for name in names[:8]]
    return ", ".join(shown) + (" and more" if len(names) > len(shown) else "")
