# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs, tries and removes a program's account, directories, package and files, in the right order.

A role could do the same with ``user``, ``file``, ``copy`` and a loop, but that takes three or four round trips for each
file, which is about a hundred for a first deployment. Here the wanted state is sent once, and the host compares.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from ansible_collections.loginwatch.pam.plugins.module_utils._account import create_account
from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError
from ansible_collections.loginwatch.pam.plugins.module_utils._paths import create_directory, is_empty, remove
from ansible_collections.loginwatch.pam.plugins.module_utils._python_package import write_package
from ansible_collections.loginwatch.pam.plugins.module_utils._text_file import first_words, write_file


def install(changes: Changes, params: Dict[str, Any]) -> None:
    """Bring everything to the wanted state. Raises InstalledFilesError and OSError.

    Files come after the package, so that the program is complete before it is started.
    """
    check_arguments(params)
    if params["account"]:
        create_account(changes, params["account"])
    for directory in params["directories"]:
        create_directory(changes, directory)
    byte_code = {}
    if params["package"]:
        byte_code = write_package(changes, params["package"], recorded_digests(params["manifest"]))
    for file in params["files"]:
        write_file(changes, file)
    if params["manifest"]:
        write_file(changes, manifest_file(params["manifest"], params["files"], params["package"], byte_code))
    remove_obsolete(changes, params)
    trial = params["trial"]
    if trial and (trial["always"] or changes.diff) and not changes.check_mode:
        try_program(changes, trial)


def uninstall(changes: Changes, params: Dict[str, Any]) -> List[str]:
    """Remove everything except the account. Return the directories that were kept. Raises OSError."""
    kept = []
    for file in params["files"]:
        remove(changes, Path(file["path"]))
    if params["package"]:
        remove(changes, Path(params["package"]["path"]))
    for directory in reversed(params["directories"]):
        path = Path(directory["path"])
        filled = [path.glob(name) if "*" in name else [path / name] for name in directory["keep_while_filled"]]
        if all(is_empty(inner) for found in filled for inner in found):
            remove(changes, path)
        else:
            kept.append(str(path))
    remove_obsolete(changes, params)
    return kept


def remove_obsolete(changes: Changes, params: Dict[str, Any]) -> None:
    """Remove the obsolete paths, except those that are files of this program."""
    own = {file["path"] for file in params["files"]}
    for path in params["obsolete"]:
        if path not in own:
            remove(changes, Path(path))


def check_arguments(params: Dict[str, Any]) -> None:
    """Raise InstalledFilesError if an argument is missing that only an installation needs."""
    if params["package"] and not params["package"]["python"]:
        raise InstalledFilesError("package: python is missing. Name the interpreter that will import the package.")
    # With neither, everything in the package's directory would be removed.
    if params["package"] and bool(params["package"]["modules"]) == bool(params["package"]["src"]):
        raise InstalledFilesError("package: give either src or modules.")
    files = params["files"]
    without = [file["path"] for file in files if file["content"] is None and file["secret_content"] is None]
    if without:
        raise InstalledFilesError(f"files: content is missing for {', '.join(without)}.")


def recorded_digests(manifest_path: Optional[str]) -> Optional[Dict[str, str]]:
    """Return the manifest of the last run: empty if there is none that can be read, None if none is wanted."""
    if not manifest_path:
        return None
    try:
        files = json.loads(Path(manifest_path).read_text(encoding="utf-8"))["files"]
        return files if isinstance(files, dict) else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def manifest_file(
    path: str, files: List[Dict[str, Any]], package: Dict[str, Any], byte_code: Dict[str, str]
) -> Dict[str, Any]:
    """Return the manifest as a file to write. It belongs to the owner of the package, or to root if there is none."""
    owner, group = (package["owner"], package["group"]) if package else ("root", "root")
    text = manifest(files, package, byte_code)
    return {"path": path, "content": text, "owner": owner, "group": group, "mode": "0644"}


def manifest(files: List[Dict[str, Any]], package: Dict[str, Any], byte_code: Dict[str, str]) -> str:
    """Return the text of the manifest: ``{"files": {path: SHA-256}}``. Secrets are left out.

    byte_code: the SHA-256 of each file of the package's byte code, by path
    """
    contents = {file["path"]: file["content"] for file in files if file["content"] is not None}
    if package:
        for name, content in package["modules"].items():
            contents[str(Path(package["path"]) / name)] = content
    digests = {path: hashlib.sha256(content.encode("utf-8")).hexdigest() for path, content in contents.items()}
    return json.dumps({"files": {**digests, **byte_code}}, indent=4, sort_keys=True) + "\n"


def try_program(changes: Changes, trial: Dict[str, Any]) -> None:
    """Run the command of the trial. Raises InstalledFilesError if it does not print the expected text."""
    command = " ".join(trial["argv"])
    try:
        code, out, err = changes.module.run_command(trial["argv"], handle_exceptions=False)
    except OSError as error:
        raise InstalledFilesError(f"'{command}' cannot be run: {error.strerror}") from error
    if trial["expected"] not in out:
        printed = first_words(err + out) or "nothing"
        raise InstalledFilesError(f"'{command}' does not work. It exited with {code} and printed: {printed}")


def without_contents(params: Dict[str, Any]) -> Dict[str, Any]:
    """Return the arguments to report as ``invocation``. With the contents, -vvv would print 100 kB for each host."""
    contents = ("content", "secret_content")
    files = [{name: value for name, value in file.items() if name not in contents} for file in params["files"]]
    package = params["package"] and dict(params["package"], modules=sorted(params["package"]["modules"]))
    return dict(params, files=files, package=package)
