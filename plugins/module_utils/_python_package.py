# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs a Python package and its sub-packages, byte-compiled for the interpreter that will import them."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.loginwatch.pam.plugins.module_utils._changes import Changes, InstalledFilesError
from ansible_collections.loginwatch.pam.plugins.module_utils._paths import create_directory, remove, set_permissions
from ansible_collections.loginwatch.pam.plugins.module_utils._text_file import write_file

CACHE = "__pycache__"
BYTE_CODE = ".pyc"
# The path of a module within the package: `greeting.py`, or `greetings/formal.py` in a sub-package.
MODULE = re.compile(r"(?:(?!__pycache__/)[A-Za-z_][A-Za-z0-9_]*/)*[A-Za-z_][A-Za-z0-9_]*\.py\Z")

# This runs in the interpreter that will import the package, which may differ from the one that runs the Ansible module.
# The byte-code is validated by time stamp (PEP 552). importlib reads the source's stat result in every mode, so
# hash-based validation would save nothing at import. "unchecked" would hide an edited file. Python 3.6 has neither.
# No mode protects against byte code that somebody has written with the time and size of its source. So the SHA-256 of
# each file is recorded, and a file with another one is compiled anew.
BYTE_COMPILE = r"""
import hashlib, importlib.util, json, os, py_compile, struct, sys
check, renew = sys.argv[1] == "check", sys.argv[2] == "renew"
recorded = json.load(sys.stdin)
digests, stale = {}, []

def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""

for source in (os.path.join(directory, name) for directory in sys.argv[3:] for name in sorted(os.listdir(directory))):
    if not source.endswith(".py"):
        continue
    target = importlib.util.cache_from_source(source)
    status = os.stat(source)
    flags = b"" if sys.version_info < (3, 7) else struct.pack("<L", 0)
    times = struct.pack("<LL", int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    wanted = importlib.util.MAGIC_NUMBER + flags + times
    found = content(target)
    digests[target] = hashlib.sha256(found).hexdigest()
    is_recorded = recorded is None or recorded.get(target) == digests[target]
    if renew or not found.startswith(wanted) or not is_recorded:
        stale.append(source)
        if not check:
            mode = {}
            if sys.version_info >= (3, 7):
                mode["invalidation_mode"] = py_compile.PycInvalidationMode.TIMESTAMP
            py_compile.compile(source, cfile=target, doraise=True, **mode)
            digests[target] = hashlib.sha256(content(target)).hexdigest()
print(json.dumps({"digests": digests, "stale": stale}))
"""


def write_package(
    changes: Changes, package: Dict[str, Any], recorded: Optional[Dict[str, str]] = None
) -> Dict[str, str]:
    """Write the package's modules, remove everything else from its directories, and byte-compile them.

    recorded: the SHA-256 of each file as the last run has left it, by path; None if that is not recorded

    Return the SHA-256 of each file of byte code by path, as far as it is known: in check mode, changed modules are not
    compiled.
    """
    path, modules = Path(package["path"]), package["modules"]
    wrong = sorted(name for name in modules if not MODULE.match(name))
    if wrong:
        raise InstalledFilesError(
            f"package: {', '.join(wrong)} cannot be the name of a module. Give file names such as example.py, or"
            " sub/example.py in a sub-package."
        )
    directories = directories_of(path, modules)
    permissions = {"owner": package["owner"], "group": package["group"], "mode": "0644"}
    for directory in directories:
        create_directory(changes, dict(permissions, path=str(directory), mode="0755"))
    renew = False
    for name in sorted(modules):
        wanted = dict(permissions, path=str(path / name), content=modules[name])
        renew = write_file(changes, wanted, outline=True) or renew
    there = [directory for directory in directories if directory.is_dir()]
    kept = {*directories, *(path / name for name in modules)}
    for directory in there:
        for item in sorted(directory.iterdir()):
            if item not in kept and item.name != CACHE:
                remove(changes, item)
    # In check mode, changed modules are not on disk, so they cannot be compiled. Their change is already recorded.
    if not there or (changes.check_mode and renew):
        return {name: digest for name, digest in (recorded or {}).items() if name.endswith(BYTE_CODE)}
    return _byte_compile(changes, there, package["python"], permissions, renew, recorded)


def directories_of(path: Path, modules: Iterable[str]) -> List[Path]:
    """Return the package's directory and those of its sub-packages, parents before children."""
    return sorted({path, *(path / parent for name in modules for parent in Path(name).parents)})


def _byte_compile(
    changes: Changes,
    directories: List[Path],
    python: str,
    permissions: Dict[str, Any],
    renew: bool,
    recorded: Optional[Dict[str, str]],
) -> Dict[str, str]:
    """Compile the modules whose byte-code is missing, stale or changed, or with ``renew`` all. Remove other byte-code.

    Return the SHA-256 of each file of byte code by path.
    """
    # -I -S -B: neither the environment nor a site directory can inject code, because this runs as root.
    command = [python, "-ISB", "-c", BYTE_COMPILE]
    command += ["check" if changes.check_mode else "write", "renew" if renew else "stale", *map(str, directories)]
    code, out, err = changes.module.run_command(command, data=json.dumps(recorded))
    if code != 0:
        reason = err.strip().splitlines()[-1] if err.strip() else f"it exited with {code}"
        raise InstalledFilesError(f"{python} could not byte-compile the package in {directories[0]}: {reason}")
    result = json.loads(out)
    for directory in directories:
        cache = directory / CACHE
        stale = [Path(source).name for source in result["stale"] if Path(source).parent == directory]
        if stale and not renew:
            changes.add_path(cache, f"stale: {' '.join(stale)}\n", f"byte-compiled by {python}\n")
        if cache.is_dir():
            _tidy(changes, cache, result["digests"], permissions, renew)
    return result["digests"]


def _tidy(changes: Changes, cache: Path, current: Iterable[str], permissions: Dict[str, Any], renew: bool) -> None:
    """Set the permissions of the current byte-code in a directory, and remove everything else.

    current: the paths of all current byte-code files
    """
    set_permissions(changes, cache, dict(permissions, mode="0755"))
    is_recorded = renew or str(cache) in changes.paths
    for compiled in sorted(cache.iterdir()):
        if str(compiled) in current:
            set_permissions(changes, compiled, permissions, record=not is_recorded)
        else:
            remove(changes, compiled)
