# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the file of a PAM service, and reads the files that it includes."""

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

    def included(self, name: str) -> Optional[Tuple[str, str]]:
        """Return path and text of an included file, or None. The directories are searched in libpam's order."""
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

        The text is synced to disk first, because an empty PAM file after a power failure would lock everybody out.
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
