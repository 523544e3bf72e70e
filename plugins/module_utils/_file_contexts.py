# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets the SELinux types of directories: the rules in the policy (semanage(8)) and the labels on disk (restorecon(8)).

ansible-core has no module for the rules, and two rules do not justify a dependency on another collection.
"""

import re
import shlex
from pathlib import Path
from typing import Callable, Dict, List, Tuple

# semanage's letter for a rule that applies to files of every kind.
ALL_FILES = "a"
# Appended to the path of a directory, this matches the directory and everything in it.
BELOW = "(/.*)?"
# Each tool, and the package that contains it.
TOOLS = {
    "semanage": "policycoreutils-python-utils",
    "restorecon": "policycoreutils",
    "matchpathcon": "libselinux-utils (selinux-utils on Debian and Ubuntu)",
}

# Runs a command, and returns its exit code, standard output and standard error.
Runner = Callable[[List[str]], Tuple[int, str, str]]


class FileContextError(Exception):
    """The wanted state cannot be reached. The message says why, and what to do."""


def local_rules(extract: str) -> Dict[str, str]:
    """Return the rules that were added on this host for files of every kind: pattern -> type.

    extract: the output of `semanage fcontext --extract`, with lines such as
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
    """Return the pairs in a file_contexts.subs or .subs_dist. A path below the first is looked up below the second."""
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [(words[0], words[1]) for words in lines if len(words) == 2]


def name_in_policy(path: str, pairs: List[Tuple[str, str]]) -> str:
    """Return the path by which the policy looks up this path.

    Some policies look up /run as /var/run, others /var/run as /run, and semanage rejects the wrong one.
    """
    for _round in pairs:
        for alias, name in pairs:
            if path == alias or path.startswith(alias + "/"):
                path = name + path[len(alias) :]
                break
        else:
            break
    return path


def type_of(context: str) -> str:
    """Return the type in a context such as ``system_u:object_r:var_auth_t:s0``, or ``""`` if it has none."""
    parts = context.strip().split(":")
    return parts[2] if len(parts) > 2 else ""


class FileContexts:
    """Brings rules and labels to the wanted state. With ``check_mode`` it only determines the changes.

    changes: one line for each change.
    """

    def __init__(self, run: Runner, check_mode: bool, policies: str = "/etc/selinux") -> None:
        """policies: the directory that contains SELinux's ``config`` and the policies (selinux_config(5))."""
        self._run = run
        self._check_mode = check_mode
        self._policies = Path(policies)
        self.changes: List[str] = []

    def present(self, directories: List[str], wanted: str) -> None:
        """Give the directories and everything in them a type that survives a relabel. Raises FileContextError."""
        rules, names = self._rules(), self._names(directories)
        for name in names:
            found = rules.get(name + BELOW)
            if found != wanted:
                self._change_rule("add" if found is None else "modify", name + BELOW, ["--type", wanted])
        if not (self._check_mode and self.changes):
            for directory in directories:
                self._verify(directory, wanted)
        self._restore_labels(directories)

    def absent(self, directories: List[str]) -> None:
        """Delete the rules, and give the remaining files in the directories the policy's own labels."""
        rules = self._rules()
        for name in self._names(directories):
            if name + BELOW in rules:
                self._change_rule("delete", name + BELOW, [])
        if self.changes:
            self._restore_labels(directories)

    def _names(self, directories: List[str]) -> List[str]:
        policy = re.search(r"^\s*SELINUXTYPE\s*=\s*(\S+)", _read(self._policies / "config"), re.M)
        if not policy:
            raise FileContextError(
                f"{self._policies}/config has no SELINUXTYPE, so the policy is unknown. Install a policy, or repair"
                " the file."
            )
        files = self._policies / policy.group(1) / "contexts" / "files"
        # The host's own equivalences take precedence over those of the policy.
        pairs = equivalences(_read(files / "file_contexts.subs") + _read(files / "file_contexts.subs_dist"))
        return [name_in_policy(directory, pairs) for directory in directories]

    def _rules(self) -> Dict[str, str]:
        return local_rules(self._output(["semanage", "fcontext", "--extract"]))

    def _change_rule(self, action: str, pattern: str, options: List[str]) -> None:
        self.changes.append(f"{action} {' '.join([pattern, *options[1:]])}")
        if not self._check_mode:
            self._output(["semanage", "fcontext", "--" + action, *options, pattern])

    def _verify(self, directory: str, wanted: str) -> None:
        """Raise FileContextError if a more specific rule overrides ours."""
        found = type_of(self._output(["matchpathcon", "-n", directory]))
        if found != wanted:
            raise FileContextError(
                f"{directory} must have the type {wanted}, but another rule gives it {found or 'no type'}."
                " Find that rule with `semanage fcontext --list`, and delete it."
            )

    def _restore_labels(self, directories: List[str]) -> None:
        existing = [directory for directory in directories if Path(directory).is_dir()]
        if existing:
            output = self._output(["restorecon", "-R", "-v", *(["-n"] if self._check_mode else []), *existing])
            self.changes += output.splitlines()

    def _output(self, command: List[str]) -> str:
        code, out, err = self._run(command)
        if code != 0:
            reason = (err.strip() or out.strip() or f"it exited with {code}").splitlines()[-1]
            raise FileContextError(f"`{' '.join(command)}` failed: {reason}")
        return out


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
