# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a PAM service on disk, the files that it includes, and the vendor's file that it may override."""

import os
import stat
import tempfile
from pathlib import Path
from typing import List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import pam_stack


class ServiceFile:
    """The file of a PAM service."""

    def __init__(self, service: str, pam_d: str, vendor_pam_d: List[str]) -> None:
        """Raises PamStackError if ``service`` cannot be the name of a file."""
        if service in ("", ".", "..") or "/" in service:
            raise pam_stack.PamStackError(
                f"{service!r} cannot be a PAM service. Give the name of a file in {pam_d}, such as sshd."
            )
        self.path = Path(pam_d) / service
        self._directories = [Path(pam_d), *map(Path, vendor_pam_d)]

    def read(self) -> Optional[str]:
        """Return the text, or None if there is no file. Raises PamStackError for anything but a plain text file."""
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            raise pam_stack.PamStackError(
                f"it is a symbolic link to {os.readlink(str(self.path))}, which other services may use as well."
                " Replace the link by a copy of the file, or name the service that it points to."
            )
        if stat.S_ISDIR(mode):
            raise pam_stack.PamStackError("it is a directory where PAM needs a file. Restore it from its package.")
        if not stat.S_ISREG(mode):
            raise pam_stack.PamStackError("it is not a regular file. Restore it from its package.")
        return pam_stack.decode(self.path.read_bytes())

    def vendor_path(self) -> Optional[Path]:
        """Return the file that PAM uses if ``pam_d`` has none, or None."""
        candidates = [directory / self.path.name for directory in self._directories[1:]]
        return next((path for path in candidates if path.is_file()), None)

    def included(self, name: str) -> Optional[Tuple[str, str]]:
        """Return path and text of a file that a stack includes, searched in libpam's order, or None."""
        for directory in self._directories:
            path = directory / name
            try:
                if path.is_file():
                    return str(path), pam_stack.decode(path.read_bytes())
            except (OSError, pam_stack.PamStackError):
                continue
        return None

    def write(self, module: AnsibleModule, text: str, like: Path) -> None:
        """Replace the file in one step. A new file gets the mode of the file ``like``.

        The text is synced to disk first: an empty PAM file after a power failure would lock everybody out.
        """
        handle, temporary = tempfile.mkstemp(prefix=".ansible_tmp_", dir=str(self.path.parent))
        module.add_cleanup_file(temporary)
        with os.fdopen(handle, "wb") as file:
            file.write(pam_stack.encode(text))
            file.flush()
            os.fsync(file.fileno())
        mode = stat.S_IMODE(like.stat().st_mode)
        existed = self.path.exists()
        module.atomic_move(temporary, str(self.path))
        if not existed:
            module.set_mode_if_different(str(self.path), mode, False)
