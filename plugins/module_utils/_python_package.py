# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python package without subpackages, byte-compiled for the interpreter that will import it."""

import json
from pathlib import Path
from typing import Any, Dict

from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError
from ansible_collections.loginwatch.pam.plugins.module_utils._paths import create_directory, remove, set_permissions
from ansible_collections.loginwatch.pam.plugins.module_utils._text_file import write_file

CACHE = "__pycache__"

# This runs in the interpreter that will import the package, which may not be the one that runs the module.
# The byte-code is validated by time stamp (PEP 552): importlib reads the source's stat result in every mode, so
# hash-based validation would save nothing at import, "unchecked" would hide an edited file, and Python 3.6 has neither.
BYTE_COMPILE = r"""
import importlib.util, json, os, py_compile, struct, sys
directory, check, renew = sys.argv[1], sys.argv[2] == "check", sys.argv[3] == "renew"
current, stale = [], []
for name in sorted(os.listdir(directory)):
    if not name.endswith(".py"):
        continue
    source = os.path.join(directory, name)
    target = importlib.util.cache_from_source(source)
    current.append(os.path.basename(target))
    status = os.stat(source)
    flags = b"" if sys.version_info < (3, 7) else struct.pack("<L", 0)
    times = struct.pack("<LL", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    wanted = importlib.util.MAGIC_NUMBER + flags + times
    try:
        with open(target, "rb") as file:
            found = file.read(len(wanted))
    except OSError:
        found = None
    if renew or found != wanted:
        stale.append(name)
        if not check:
            mode = {}
            if sys.version_info >= (3, 7):
                mode["invalidation_mode"] = py_compile.PycInvalidationMode.TIMESTAMP
            py_compile.compile(source, cfile=target, doraise=True, **mode)
print(json.dumps({"current": current, "stale": stale}))
"""


def write_package(changes: Changes, package: Dict[str, Any]) -> None:
    """Write the package's modules, remove everything else from its directory, and byte-compile it."""
    path, modules = Path(package["path"]), package["modules"]
    wrong = sorted(name for name in modules if Path(name).name != name or not name.endswith(".py"))
    if wrong:
        raise InstalledFilesError(
            f"package: {', '.join(wrong)} cannot be the name of a module. Give file names such as example.py."
        )
    permissions = {"owner": package["owner"], "group": package["group"], "mode": "0644"}
    create_directory(changes, dict(permissions, path=str(path), mode="0755"))
    renew = False
    for name in sorted(modules):
        wanted = dict(permissions, path=str(path / name), content=modules[name])
        renew = write_file(changes, wanted, outline=True) or renew
    if path.is_dir():
        for name in sorted({item.name for item in path.iterdir()} - set(modules) - {CACHE}):
            remove(changes, path / name)
        # In check mode, changed modules are not on disk, so there is nothing to compile. Their change is recorded.
        if not (changes.check_mode and renew):
            _byte_compile(changes, path / CACHE, package["python"], permissions, renew)


def _byte_compile(changes: Changes, cache: Path, python: str, permissions: Dict[str, Any], renew: bool) -> None:
    """Compile the modules whose byte-code is missing or stale, or all with ``renew``, and remove other byte-code."""
    # -I -S -B: neither the environment nor a site directory can inject code here, which runs as root.
    command = [python, "-ISB", "-c", BYTE_COMPILE, str(cache.parent)]
    command += ["check" if changes.check_mode else "write", "renew" if renew else "stale"]
    code, out, err = changes.module.run_command(command)
    if code != 0:
        reason = err.strip().splitlines()[-1] if err.strip() else f"it exited with {code}"
        raise InstalledFilesError(f"{python} could not byte-compile the package in {cache.parent}: {reason}")
    result = json.loads(out)
    if result["stale"] and not renew:
        changes.add_path(cache, f"stale: {' '.join(result['stale'])}\n", f"byte-compiled by {python}\n")
    if not cache.is_dir():
        return
    set_permissions(changes, cache, dict(permissions, mode="0755"))
    is_recorded = renew or str(cache) in changes.paths
    for compiled in sorted(cache.iterdir()):
        if compiled.name in result["current"]:
            set_permissions(changes, compiled, permissions, record=not is_recorded)
        else:
            remove(changes, compiled)
