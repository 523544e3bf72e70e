# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account, directories, text files and one Python package, kept as described in a single call.

A role could do the same with ``user``, ``file``, ``copy`` and a loop, at the price of three or four round trips a file:
some hundred for a first deployment. Here the wanted state travels once and the host compares.

Nothing here ends the module: trouble is raised as InstalledFilesError, whose text names the mend.
"""

import grp
import json
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List

from ansible.module_utils.basic import AnsibleModule

CACHE = "__pycache__"
# Characters that a command that failed is quoted with.
MOST_SAID = 500

# Runs below the interpreter that will import the package, which need not be the one that runs this module.
# Validation by time stamp (PEP 552) on purpose: importlib looks at the source's stat result in every mode, so that the
# hash-based modes save nothing at import, "unchecked" would hide an edited file, and Python 3.6 knows only this one.
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


class InstalledFilesError(Exception):
    """What hinders the wanted state, in words that name the mend."""


class InstalledFiles:
    """Bring a host's files to the wanted state, or in check mode find out what that would change.

    The module's ``atomic_move`` and ``set_fs_attributes_if_different`` do the writing, so that SELinux contexts become
    those of the policy.

    changed_paths: what was created, rewritten, removed or given other attributes. kept: directories that were to be
    removed and were not. diff: the differences as Ansible shows them.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._check = module.check_mode
        self.changed_paths: List[str] = []
        self.kept: List[str] = []
        self.diff: List[Dict[str, str]] = []

    # -- present ------------------------------------------------------------------------------------------------------

    def account_present(self, wanted: Dict[str, Any]) -> None:
        """Make the system account with a group of its own, by useradd(8), unless there is such a user."""
        name = wanted["name"]
        if _is_known(pwd.getpwnam, name):
            return
        self._show(f"account {name}", "absent\n", f"system account, shell {wanted['shell']}\n")
        useradd = self._module.get_bin_path("useradd")
        if not useradd:
            mend = "install the package that holds it (passwd on Debian and Ubuntu, shadow-utils on Red Hat)"
            raise InstalledFilesError(f"The account {name} can not be made without useradd: {mend}.")
        if self._check:
            return
        command = [useradd, "--system", *(["--gid", name] if _is_known(grp.getgrnam, name) else ["--user-group"])]
        command += ["--home-dir", "/nonexistent", "--no-create-home", "--shell", wanted["shell"]]
        code, _out, err = self._module.run_command([*command, "--comment", wanted["comment"], name])
        if code != 0:
            raise InstalledFilesError(f"The account {name} could not be made: {' '.join(err.split())}")

    def directory_present(self, wanted: Dict[str, Any]) -> None:
        """Make the directory, its missing parents (0755) too, and set owner, group and mode."""
        path = Path(wanted["path"])
        kind = _kind(path)
        if kind not in ("absent", "directory"):
            raise InstalledFilesError(f"{path} is a {kind}; a directory is wanted there. Remove it, then run again.")
        if kind == "absent":
            self._note(path, "absent\n", f"directory {wanted['mode']}\n")
            if self._check:
                return
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            # Nobody else may enter before owner and mode are right.
            path.mkdir(mode=0o700)
        self._set_attributes(path, wanted)

    def file_present(self, wanted: Dict[str, Any], outline: bool = False) -> bool:
        """Write the file in one step if its bytes differ, and set owner, group and mode. Return whether they differed.

        wanted: with ``content`` or, if that is not to be shown, ``secret_content``; with ``validate``, a command that
        has to accept the new file before it takes the place of the old one.
        outline: of a new file, show the number of lines only.
        """
        path = Path(wanted["path"])
        kind = _kind(path)
        if kind not in ("absent", "file", "symbolic link"):
            raise InstalledFilesError(f"{path} is a {kind}; a file is wanted there. Remove it, then run again.")
        shown = wanted.get("secret_content") is None
        text = wanted["content"] if shown else wanted["secret_content"]
        content = text.encode("utf-8")
        before = path.read_bytes() if kind == "file" else b""
        if kind == "file" and before == content:
            self._set_attributes(path, wanted)
            return False
        if not shown:
            self._note(path, *(("absent\n", "a secret\n") if kind == "absent" else ("a secret\n", "another secret\n")))
        elif outline and kind == "absent":
            self._note(path, "absent\n", f"file of {len(content.splitlines())} lines\n")
        else:
            self._note(path, before.decode("utf-8", "replace"), text)
        if not self._check:
            if not shown and kind == "file":
                # The new file takes over the mode of this one.
                self._set_attributes(path, wanted)
            self._write(path, content, kind, 0o022 if shown else 0o077, wanted.get("validate") or [])
            self._set_attributes(path, wanted)
        return True

    def package_present(self, package: Dict[str, Any]) -> None:
        """Install the package's modules, remove those of an earlier version, byte-compile for ``python``."""
        path, modules = Path(package["path"]), package["modules"]
        wrong = sorted(name for name in modules if Path(name).name != name or not name.endswith(".py"))
        if wrong:
            raise InstalledFilesError(f"Not the name of a module file: {', '.join(wrong)}")
        attributes = {"owner": package["owner"], "group": package["group"], "mode": "0644"}
        self.directory_present(dict(attributes, path=str(path), mode="0755"))
        renew = False
        for name in sorted(modules):
            wanted = dict(attributes, path=str(path / name), content=modules[name])
            renew = self.file_present(wanted, outline=True) or renew
        if path.is_dir():
            for name in sorted({item.name for item in path.iterdir()} - set(modules) - {CACHE}):
                self.absent(path / name)
            # In check mode, what would be compiled may not be there yet. Its own change has been noted.
            if not (self._check and renew):
                self._byte_compile(path / CACHE, package["python"], attributes, renew)

    def _byte_compile(self, cache: Path, python: str, attributes: Dict[str, Any], renew: bool) -> None:
        # -I -S -B: neither the environment nor a site directory has a say in what runs here as root.
        command = [python, "-ISB", "-c", BYTE_COMPILE, str(cache.parent)]
        command += ["check" if self._check else "write", "renew" if renew else "stale"]
        code, out, err = self._module.run_command(command)
        if code != 0:
            reason = err.strip().splitlines()[-1] if err.strip() else f"exit code {code}"
            raise InstalledFilesError(f"{python} can not byte-compile the package in {cache.parent}: {reason}")
        result = json.loads(out)
        if result["stale"] and not renew:
            self._note(cache, f"stale: {' '.join(result['stale'])}\n", f"byte-compiled by {python}\n")
        if not cache.is_dir():
            return
        self._set_attributes(cache, dict(attributes, mode="0755"))
        for compiled in sorted(cache.iterdir()):
            if compiled.name in result["current"]:
                self._set_attributes(compiled, attributes, silent=renew or str(cache) in self.changed_paths)
            else:
                self.absent(compiled)

    def _write(self, path: Path, content: bytes, kind: str, umask: int, validate: List[str]) -> None:
        """umask: what keeps others from a new file until its mode is set."""
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._module.tmpdir)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if validate:
            self._validate(path, temporary, validate)
        if kind == "symbolic link":
            # atomic_move would take over mode and context of the link's target.
            path.unlink()
        before = os.umask(umask)
        try:
            self._module.atomic_move(temporary, str(path))
        finally:
            os.umask(before)

    def _validate(self, path: Path, temporary: str, command: List[str]) -> None:
        """Raise InstalledFilesError unless the command accepts the file."""
        try:
            code, out, err = self._module.run_command(
                [word.replace("%s", temporary) for word in command], handle_exceptions=False
            )
            said = " ".join((err + out).split())[:MOST_SAID] or f"it ended with {code} and said nothing"
        except OSError as error:
            code, said = 1, f"the command that validates it can not be run: {error.strerror}"
        if code != 0:
            Path(temporary).unlink()
            stays = f"{path} stays as it was" if _kind(path) != "absent" else f"{path} was not written"
            raise InstalledFilesError(f"{stays}, for the new one is refused: {said.replace(temporary, str(path))}")

    # -- absent -------------------------------------------------------------------------------------------------------

    def absent(self, path: Path) -> None:
        """Remove a file, a link or a whole directory. What was in it is not shown."""
        kind = _kind(path)
        if kind == "absent":
            return
        self._note(path, f"{kind}\n", "absent\n")
        if self._check:
            return
        if kind == "directory":
            shutil.rmtree(str(path))
        else:
            path.unlink()

    def directory_absent(self, unwanted: Dict[str, Any]) -> None:
        """Remove a directory with all it holds, unless something waits in one of ``keep_while_filled``."""
        path = Path(unwanted["path"])
        if any(_holds_something(path / name) for name in unwanted["keep_while_filled"]):
            self.kept.append(str(path))
        else:
            self.absent(path)

    # -- both ---------------------------------------------------------------------------------------------------------

    def _note(self, path: Path, before: str, after: str) -> None:
        self.changed_paths.append(str(path))
        self._show(str(path), before, after)

    def _show(self, what: str, before: str, after: str) -> None:
        self.diff.append({"before_header": what, "after_header": what, "before": before, "after": after})

    def _set_attributes(self, path: Path, wanted: Dict[str, Any], silent: bool = False) -> None:
        """Set owner, group and mode; note the change, unless it is part of one that was noted."""
        attributes = {name: wanted[name] for name in ("owner", "group", "mode")}
        changed = False
        if self._check and not _is_known(grp.getgrnam, attributes["group"]):
            # A task before this one would have made it.
            attributes["group"] = None
            changed = True
        arguments = self._module.load_file_common_arguments(dict(attributes, path=str(path)))
        difference: Dict[str, Any] = {}
        changed = self._module.set_fs_attributes_if_different(arguments, changed, diff=difference)
        if changed and not silent and str(path) not in self.changed_paths:
            self._note(path, _state_text(difference.get("before")), _state_text(difference.get("after")))


def _kind(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return "absent"
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic link"}
    return kinds.get(stat.S_IFMT(mode), "special file")


def _holds_something(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _is_known(look_up: Callable[[str], Any], name: str) -> bool:
    """Whether there is such a user or group; look_up: ``pwd.getpwnam`` or ``grp.getgrnam``."""
    try:
        look_up(name)
    except KeyError:
        return False
    return True


def _state_text(state: Any) -> str:
    return "".join(f"{name}: {value}\n" for name, value in sorted((state or {}).items()) if name != "path")
