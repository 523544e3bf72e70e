# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a text file: validates it first, replaces it in one step, and never shows it if it is a secret.

The module's ``atomic_move`` puts it in place, so that the file gets the SELinux context that the policy has for it.
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError
from ansible_collections.loginwatch.pam.plugins.module_utils._paths import kind_of, set_permissions

# The maximum length of a failed command's output in the error message.
MAX_OUTPUT_CHARACTERS = 500


def write_file(changes: Changes, wanted: Dict[str, Any], outline: bool = False) -> bool:
    """Write the file if its bytes differ, and set its permissions. Return whether the bytes differed.

    wanted: contains ``content`` or, for a text that must not be shown, ``secret_content``. ``validate`` is a command
    that must accept the new text before it replaces the old one.
    outline: whether to show only the number of lines of a new file.
    """
    path = Path(wanted["path"])
    kind = kind_of(path)
    if kind not in ("absent", "file", "symbolic link"):
        raise InstalledFilesError(f"{path} must be a file but is a {kind}. Remove it, and run the task again.")
    is_secret = wanted.get("secret_content") is not None
    text = wanted["secret_content"] if is_secret else wanted["content"]
    content = text.encode("utf-8")
    before = path.read_bytes() if kind == "file" else b""
    if kind == "file" and before == content:
        set_permissions(changes, path, wanted)
        return False
    if is_secret:
        shown = ("absent\n", "a secret\n") if kind == "absent" else ("a secret\n", "another secret\n")
    elif outline and kind == "absent":
        shown = ("absent\n", f"file of {len(content.splitlines())} lines\n")
    else:
        shown = (before.decode("utf-8", "replace"), text)
    changes.add_path(path, *shown)
    if changes.check_mode:
        return True
    if is_secret and kind == "file":
        # The new file inherits the mode of the old one, so that must not be too open, not even for a moment.
        set_permissions(changes, path, wanted)
    _replace(changes.module, path, content, 0o077 if is_secret else 0o022, wanted.get("validate") or [])
    set_permissions(changes, path, wanted)
    return True


def first_words(output: str) -> str:
    """Return the beginning of a command's output as one line."""
    return " ".join(output.split())[:MAX_OUTPUT_CHARACTERS]


def _replace(module: AnsibleModule, path: Path, content: bytes, umask: int, validate: List[str]) -> None:
    """Write ``content`` to ``path`` in one step. ``umask`` applies to a new file until its permissions are set."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    if validate:
        _validate(module, path, temporary, validate)
    if path.is_symlink():
        # atomic_move would copy mode and SELinux context from the link's target.
        path.unlink()
    umask_before = os.umask(umask)
    try:
        module.atomic_move(temporary, str(path))
    finally:
        os.umask(umask_before)


def _validate(module: AnsibleModule, path: Path, temporary: str, command: List[str]) -> None:
    """Remove the temporary file and raise InstalledFilesError, unless the command accepts it."""
    words = [word.replace("%s", temporary) for word in command]
    try:
        code, out, err = module.run_command(words, handle_exceptions=False)
        reason = first_words(err + out) or f"the validation exited with {code} and printed nothing"
    except OSError as error:
        code, reason = 1, f"the validation command {command[0]} cannot be run: {error.strerror}"
    if code == 0:
        return
    Path(temporary).unlink()
    outcome = "was not created" if kind_of(path) == "absent" else "was left unchanged"
    reason = reason.replace(temporary, str(path))
    raise InstalledFilesError(f"{path} {outcome} because its new text is not valid: {reason}")
