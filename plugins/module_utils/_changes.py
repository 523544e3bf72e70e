# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the changes of the module ``installed_files``, and defines the error that stops it."""

from pathlib import Path
from typing import Dict, List

from ansible.module_utils.basic import AnsibleModule


class InstalledFilesError(Exception):
    """The wanted state cannot be reached. The message says why, and what to do."""


class Changes:
    """The changes that were made, or would be made in check mode.

    paths: the paths that were created, rewritten or removed, or whose permissions were changed.
    diff: the differences in the form that Ansible shows. An account has an entry here but no path.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.check_mode: bool = module.check_mode
        self.paths: List[str] = []
        self.diff: List[Dict[str, str]] = []

    def add(self, what: str, before: str, after: str) -> None:
        """Record a difference."""
        self.diff.append({"before_header": what, "after_header": what, "before": before, "after": after})

    def add_path(self, path: Path, before: str, after: str) -> None:
        """Record a difference at a path."""
        self.paths.append(str(path))
        self.add(str(path), before, after)
