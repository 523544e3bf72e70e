# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the file of a PAM service in which a program runs at each login: text in, text out.

``pam_stack`` edits the text. This module decides which text is edited, and when to refuse or to warn. It is not
installed: the preflight uses it to plan the edit, and the Ansible module ``pam_exec_line`` to make it.
"""

import os
import stat
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from . import pam_stack

DANGER = (
    "It takes effect before the session part, so anyone who can log in can load code into the program, which runs as"
    " root. Remove user_readenv=1."
)
HOW_TO_ACCEPT = "set accept: [{0}] (in the role, ssh_login_notify_accept)"


class Vendor(NamedTuple):
    """The vendor's file of a service."""

    path: str
    data: bytes


class Plan(NamedTuple):
    """The outcome of an edit, before anything is written."""

    text: Optional[str]
    """What the file must contain; None for no file."""
    copied_from: Optional[str] = None
    """The vendor's file that the text is a copy of."""
    user_readenv: Sequence[Dict[str, object]] = ()
    """The rules that read the user's environment, in the form of ``pam_stack.user_environment_readers``."""
    warnings: Sequence[str] = ()


class PamExecLine:
    """The lines of one program in the file of a PAM service. Raises PamStackError for a file that it must not edit."""

    def __init__(
        self, program: str, replaces: Iterable[str], read: pam_stack.Reader, copy_vendor: bool = False
    ) -> None:
        """read: returns the path and text of an include. copy_vendor: copy the vendor's file if there is no other."""
        self.lines = pam_stack.rule_lines(program)
        self._program = program
        self._replaces = list(replaces)
        self._read = read
        self._copy_vendor = copy_vendor

    def present(self, path: str, before: Optional[str], vendor: Optional[Vendor], accept: Sequence[str] = ()) -> Plan:
        """Plan the file at ``path`` with the lines. before: its present text, None if there is no file."""
        copied_from = None
        if before is None:
            copied_from, original = self._vendor_text(vendor)
        else:
            original = before
        text = pam_stack.present(original, self._program, self._replaces, self._read)
        readers = pam_stack.user_environment_readers(path, text, self._read)
        self._refuse_user_environment(readers, accept)
        if text != before:
            self._refuse_managed_file(text, accept)
        return Plan(text, copied_from, readers, warnings(text, readers))

    def absent(self, before: Optional[str], vendor: Optional[Vendor]) -> Plan:
        """Plan the file without the lines. If the rest is a copy of the vendor's file, the whole file is removed."""
        if before is None:
            return Plan(None)
        text = pam_stack.absent(before, self._program, self._replaces, self._read)
        is_copy = vendor is not None and pam_stack.encode(text) == vendor.data
        if self._copy_vendor and is_copy and text != before:
            return Plan(None)
        return Plan(text)

    def _vendor_text(self, vendor: Optional[Vendor]) -> Tuple[str, str]:
        if vendor is None:
            raise pam_stack.PamStackError("there is no such file. Install the service's package, or correct the name.")
        if not self._copy_vendor:
            raise pam_stack.PamStackError(
                f"there is no such file, only the vendor's {vendor.path}, which updates overwrite."
                " Set copy_vendor: true (in the role, ssh_login_notify_copy_vendor_pam) to have it copied, or copy it."
            )
        return vendor.path, pam_stack.decode(vendor.data)

    def _refuse_user_environment(self, readers: Iterable[Dict[str, object]], accept: Sequence[str]) -> None:
        for reader in readers:
            if reader["part"] == "auth" and "user_environment" not in accept:
                raise pam_stack.PamStackError(
                    f"{reader['file']} line {reader['line']} reads ~/.pam_environment (pam_env.so, user_readenv=1) in"
                    f" the auth part. {DANGER} To add the lines anyway, {HOW_TO_ACCEPT.format('user_environment')}."
                )

    def _refuse_managed_file(self, text: str, accept: Sequence[str]) -> None:
        comment = pam_stack.written_by(text)
        if comment and "managed_file" not in accept:
            lines = ", then ".join(f"'{line}'" for line in self.lines)
            raise pam_stack.PamStackError(
                f"it says '{comment}', so {pam_stack.tool_of(comment)} would remove the lines again. Add them to that"
                f" tool's template, at the top of the session part: {lines}."
                f" To add them here anyway, {HOW_TO_ACCEPT.format('managed_file')}."
            )


def read(path: str) -> Optional[str]:
    """Return the text of a service's file, or None if there is no file.

    Raises PamStackError for anything but a plain text file, and OSError.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(mode):
        raise pam_stack.PamStackError(
            f"it is a symbolic link to {os.readlink(path)}, which other services may use as well."
            " Replace the link with a copy of the file, or name the service that it points to."
        )
    if stat.S_ISDIR(mode):
        raise pam_stack.PamStackError("it is a directory where PAM needs a file. Restore it from its package.")
    if not stat.S_ISREG(mode):
        raise pam_stack.PamStackError("it is not a regular file. Restore it from its package.")
    with open(path, "rb") as file:
        return pam_stack.decode(file.read())


def vendor_file(service: str, directories: Iterable[str]) -> Optional[Vendor]:
    """Return the vendor's file, which PAM uses if the administrator has none; or None. Raises OSError."""
    for path in (os.path.join(directory, service) for directory in directories):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return Vendor(path, file.read())
    return None


def warnings(text: str, readers: Iterable[Dict[str, object]]) -> List[str]:
    """Return the faults of the stack that are not in our lines. This module does not repair them."""
    found = []
    if "\r\n" in text:
        found.append(
            "The file has CRLF line ends. PAM takes the carriage return as part of the last word, and may refuse logins"
            " because of it. Convert the file, for example with: sed -i 's/\\r$//'"
        )
    for reader in readers:
        # A rule in the session part comes after our lines, so it can't affect the program.
        if reader["part"] == "auth":
            where = f"{reader['file']} line {reader['line']}: pam_env.so reads ~/.pam_environment (user_readenv=1)"
            found.append(f"{where} in the auth part. {DANGER}")
    return found


def printable(text: Optional[str]) -> str:
    """Return the text for a diff, with replacements for bytes that are not UTF-8: JSON cannot contain them."""
    return "" if text is None else pam_stack.encode(text).decode("utf-8", "replace")
