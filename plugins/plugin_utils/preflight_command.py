# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the command that examines a host, and reads its output.

A short shell script finds a Python and runs the notifier's ``preflight.py`` with it. The command contains that module
and all modules of the notifier that it imports, because nothing is installed yet.
"""

from __future__ import annotations

import ast
import base64
import functools
import io
import json
import re
import shlex
import tokenize
import zlib
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "files" / "ssh_login_notify"
PROGRAM = "preflight"
# It is sent as one line without its comments, in single quotes, where each login shell must leave it unchanged. There,
# tcsh allows no line feed and no exclamation mark, and fish no backslash. So each command ends with a semicolon.
# It prints "refused: " and a reason, or the output of the Python program.
SHELL_SCRIPT = """
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin; export LC_ALL PATH;
if test "$(id -u)" -ne 0; then
    echo "refused: Ansible is not root on the host: set become: true, and check ansible_become and ansible_become_user"
        "in the inventory and in -e options.";
    exit 0;
fi;
# The notifier keeps its Python while that is usable.
kept=""; first=""; tried=""; unusable="";
read -r first rest 2> /dev/null < @PROGRAM@;
case $first in "#"?/*) kept=${first#??} ;; esac;
for python in $kept @PYTHONS@; do
    case "$tried " in *" $python "*) continue ;; esac;
    tried="$tried $python";
    test -f "$python" && test -x "$python" || continue;
    # Check it before it runs: anyone who can write or replace it could become root. An error of find counts as unsafe.
    real=$(readlink -f "$python");
    if @MUST_BE_SAFE@ &&
        test -n "$(find "$real" "${real%/*}" -maxdepth 0 "(" -not -user 0 -o -perm /022 ")" 2>&1)"; then
        unusable="$unusable $python or its directory can be written by users other than root;";
    elif answer=$("$python" -ISBc "import base64, sys, zlib; exec(zlib.decompress(base64.b64decode(sys.argv[1])))"
        @CODE@ "$python" @WANTED@ @NEEDED@ 2>&1); then
        printf %s "$answer";
        exit 0;
    else
        unusable="$unusable $python $(printf %s "$answer" | tail -n 1);";
    fi;
done;
echo "refused: No usable Python:${unusable:- none is installed;}"
    "install the distribution package python3 (3.6 or later; python3-minimal of Debian is not enough).";
"""
# Messages of login shells that can't run it: BSD's csh, which limits the length of words, and a restricted bash.
UNFIT_SHELLS = ("Word too long", "restricted: cannot specify")
UNFIT_SHELL = "The login shell of Ansible's user cannot run the commands of this role"
# The program that runs first on the host, after an assignment to `modules`. Any Python from 2.7 on can run it. Its
# arguments are the program itself, the path of this Python, the task's options, and the modules that it must be able to
# import.
START = r"""
import base64, sys, zlib
if sys.version_info < (3, 6):
    print("is Python %d.%d, but 3.6 or later is needed" % sys.version_info[:2])
    sys.exit(1)
missing = []
for name in sys.argv[4:]:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
if missing:
    print("cannot import " + ", ".join(missing))
    sys.exit(1)
import json, traceback, types
package = sys.modules["ssh_login_notify"] = types.ModuleType("ssh_login_notify")
package.__path__ = []
try:
    for name, text in modules:
        module = types.ModuleType("ssh_login_notify." + name)
        module.__package__ = "ssh_login_notify"
        exec(compile(text, name + ".py", "exec"), module.__dict__)
        sys.modules[module.__name__] = module
        setattr(package, name, module)
    wanted = json.loads(zlib.decompress(base64.b64decode(sys.argv[3])).decode("ascii"))
    print("facts: " + json.dumps(module.examine(wanted, sys.argv[2])))
except Exception:
    print(traceback.format_exc())
"""


def command(options: dict[str, Any]) -> str:
    """Return the shell command that examines a host, as one line that no shell changes within single quotes."""
    present = options["state"] == "present"
    # A removal works with any Python, because Ansible's modules could also run with it.
    words = {
        "PROGRAM": shlex.quote(options["program"]),
        "PYTHONS": " ".join(options["pythons"]),
        "MUST_BE_SAFE": "true" if present else "false",
        "CODE": code(),
        "WANTED": _packed(json.dumps(options)),
        "NEEDED": " ".join(options["python_modules"] if present else []),
    }
    script = " ".join(line.strip() for line in SHELL_SCRIPT.splitlines() if not line.lstrip().startswith("#")).strip()
    return re.sub("@([A-Z_]+)@", lambda match: words[match[1]], script)


@functools.lru_cache(maxsize=None)
def code() -> str:
    """Return the Python program as compressed source in Base64. It is the same for all hosts."""
    return _packed(f"modules = {sources()!a}\n" + START)


def _packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def sources() -> list[tuple[str, str]]:
    """Return names and texts of the preflight and all modules that it imports. A module comes after its own imports."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        text = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                for imported in [node.module] if node.module else [alias.name for alias in node.names]:
                    if imported not in found:
                        add(imported)
        found[name] = without_words(text)

    add(PROGRAM)
    return list(found.items())


def without_words(text: str) -> str:
    """Return a module's text without docstrings and comments. Lines keep their numbers, for tracebacks."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        # A body that consists only of a docstring needs it.
        if isinstance(body, list) and len(body) > 1 and isinstance(body[0], ast.Expr):
            docstring = body[0].value
            if isinstance(docstring, ast.Constant) and isinstance(docstring.value, str):
                first, last = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
                lines[first:last] = [""] * (last - first)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
            lines[token.start[0] - 1] = ""
    return "\n".join(lines) + "\n"


def answer(output: str, errors: str = "") -> dict[str, Any]:
    """Return the facts from the output of a host, or a problem. Programs such as sudo may have printed lines before."""
    for line in reversed(output.splitlines()):
        kind, _colon, text = line.partition(": ")
        if kind == "facts":
            return json.loads(text)
        if kind == "refused":
            return {"problems": [text]}
    said = " ".join((output + errors).split())[-500:] or "it printed nothing"
    if any(words in said for words in UNFIT_SHELLS):
        return {"problems": [f"{UNFIT_SHELL} ({said}). Give that user another one, such as /bin/sh or /bin/bash."]}
    return {"problems": [f"The host could not be examined ({said}). Run again with -vvv to see more."]}
