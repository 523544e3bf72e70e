"""What the role has installed on this host, and whether that is still so."""

import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

LIBRARY = "/usr/local/lib/ssh-login-notify"
MANIFEST = "manifest.json"  # in LIBRARY, written by the role: {"files": {path: SHA-256}}


def installed_at() -> float:
    """Return when the role has last changed what is installed, in seconds since the epoch; 0 if that can't be told."""
    try:
        return os.stat(os.path.join(LIBRARY, MANIFEST)).st_mtime
    except OSError:
        return 0.0


def changed_files() -> "List[str]":
    """Return the paths that are not as the role has left them: changed, gone, added, or open to others than root.

    Raise OSError or ValueError when the manifest can't be read.
    """
    with open(os.path.join(LIBRARY, MANIFEST), "rb") as file:
        manifest = json.loads(file.read(1 << 20).decode("utf-8"))
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise ValueError("it names no files")
    changed = [path for path in sorted(files) if not _is_as_installed(path, files[path])]
    # A module beside the package would be taken for one of Python's own.
    known = {os.path.join(LIBRARY, MANIFEST), *files}
    package = os.path.join(LIBRARY, "ssh_login_notify")
    for directory, entries in ((LIBRARY, os.listdir(LIBRARY)), (package, os.listdir(package))):
        paths = [os.path.join(directory, entry) for entry in sorted(entries) if entry != "__pycache__"]
        changed += [path for path in paths if path not in known and path != package]
    return changed


def _is_as_installed(path: str, digest: object) -> bool:
    import hashlib  # each login's sender asks when all was installed, and no more

    try:
        status = os.lstat(path)
        with open(path, "rb") as file:
            same = hashlib.sha256(file.read()).hexdigest() == digest
    except OSError:
        return False
    return same and stat.S_ISREG(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022
