# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux types of directories, kept by semanage(8) and set by restorecon(8).

ansible-core has no module for it, and a collection that others must install first would be a high price for two rules.

Nothing here ends the module: trouble is raised as FileContextError, whose text names the mend.
"""

import re
import shlex
from pathlib import Path
from typing import Callable, Dict, List, Tuple

ALL_FILES = "a"  # semanage's letter for a rule that holds for files of every kind
BELOW = "(/.*)?"  # the directory, and all that is in it
TOOLS = {
    "semanage": "policycoreutils-python-utils",
    "restorecon": "policycoreutils",
    "matchpathcon": "libselinux-utils (selinux-utils on Debian and Ubuntu)",
}

# Runs a command, and returns its exit code, what it printed, and its complaints.
Runner = Callable[[List[str]], Tuple[int, str, str]]


class FileContextError(Exception):
    """What hinders the wanted state, in words that name the mend."""


def local_rules(extract: str) -> Dict[str, str]:
    """The rules for files of every kind that were made on this host: pattern -> type.

    extract: what `semanage fcontext --extract` prints, such as
    ``fcontext -a -f a -t var_auth_t -r 's0' '/srv/example(/.*)?'``.
    """
    rules = {}
    for line in extract.splitlines():
        words = shlex.split(line)
        options = dict(zip(words, words[1:]))
        if words[:2] == ["fcontext", "-a"] and options.get("-f") == ALL_FILES and "-t" in options:
            rules[words[-1]] = options["-t"]
    return rules


def equivalences(text: str) -> List[Tuple[str, str]]:
    """The pairs in a file_contexts.subs or .subs_dist: paths below the first are looked up below the second."""
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [(words[0], words[1]) for words in lines if len(words) == 2]


def name_in_policy(path: str, pairs: List[Tuple[str, str]]) -> str:
    """The path by which the policy knows this one.

    One policy looks /run up as /var/run, another /var/run as /run, and semanage refuses the other name.
    """
    for _round in pairs:
        for alias, name in pairs:
            if path == alias or path.startswith(alias + "/"):
                path = name + path[len(alias):]
                break
        else:
            break
    return path


def type_of(context: str) -> str:
    """The type in a context, as in ``system_u:object_r:var_auth_t:s0``; empty where there is none."""
    parts = context.strip().split(":")
    return parts[2] if len(parts) > 2 else ""


class FileContexts:
    """Brings rules and labels to the wanted state, or with ``check`` finds out what that would change.

    changes: one sentence for each.
    """

    def __init__(self, run: Runner, check: bool, policies: str = "/etc/selinux") -> None:
        """policies: the directory with selinux's config and a directory for each policy (selinux_config(5))."""
        self._run = run
        self._check = check
        self._policies = Path(policies)
        self.changes: List[str] = []

    def present(self, directories: List[str], wanted: str) -> None:
        """Have the directories and all in them of a type, now and after every relabelling. Raises FileContextError."""
        rules, names = self._rules(), self._names(directories)
        for name in names:
            found = rules.get(name + BELOW)
            if found != wanted:
                self._semanage("add" if found is None else "modify", name + BELOW, ["--type", wanted])
        if not (self._check and self.changes):
            for directory in directories:
                self._see(directory, wanted)
        self._restore(directories)

    def absent(self, directories: List[str]) -> None:
        """Take the rules away, and give what is left in the directories the policy's own label."""
        rules = self._rules()
        for name in self._names(directories):
            if name + BELOW in rules:
                self._semanage("delete", name + BELOW, [])
        if self.changes:
            self._restore(directories)

    def _names(self, directories: List[str]) -> List[str]:
        policy = re.search(r"^\s*SELINUXTYPE\s*=\s*(\S+)", _read(self._policies / "config"), re.M)
        if not policy:
            raise FileContextError(f"{self._policies}/config names no policy (SELINUXTYPE): install one, or repair it.")
        files = self._policies / policy.group(1) / "contexts" / "files"
        # What was set on this host is looked at before what came with the policy.
        pairs = equivalences(_read(files / "file_contexts.subs") + _read(files / "file_contexts.subs_dist"))
        return [name_in_policy(directory, pairs) for directory in directories]

    def _rules(self) -> Dict[str, str]:
        return local_rules(self._output(["semanage", "fcontext", "--extract"]))

    def _semanage(self, how: str, pattern: str, options: List[str]) -> None:
        self.changes.append(f"{how} {' '.join([pattern, *options[1:]])}")
        if not self._check:
            self._output(["semanage", "fcontext", "--" + how, *options, pattern])

    def _see(self, directory: str, wanted: str) -> None:
        """The rule must have an effect: another one, more special than ours, may stand against it."""
        found = type_of(self._output(["matchpathcon", "-n", directory]))
        if found != wanted:
            raise FileContextError(
                f"{directory} shall be of the type {wanted}, but by the policy's rules it is {found or 'of none'}: "
                "look for the rule that says so with `semanage fcontext --list`, and delete it."
            )

    def _restore(self, directories: List[str]) -> None:
        there = [directory for directory in directories if Path(directory).is_dir()]
        if there:
            told = self._output(["restorecon", "-R", "-v", *(["-n"] if self._check else []), *there])
            self.changes += told.splitlines()

    def _output(self, command: List[str]) -> str:
        code, out, err = self._run(command)
        if code != 0:
            reason = (err.strip() or out.strip() or f"exit code {code}").splitlines()[-1]
            raise FileContextError(f"`{' '.join(command)}` has failed: {reason}")
        return out


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
