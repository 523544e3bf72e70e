# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that every program file of the repository names its licence in its first lines.

    python3 tools/licences.py            list the files that don't; exit with 1 if there are any
    python3 tools/licences.py --write    add the header to them

Program files are Python, shell, JavaScript and style sheets. Data, configuration, templates and pages are covered by
LICENSE alone.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"
HEADER = ("Copyright: (c) 2026, the loginwatch founders", LICENCE)
# How each kind of program begins and ends a one-line comment.
COMMENTS = {".py": ("# ", ""), ".sh": ("# ", ""), ".js": ("// ", ""), ".css": ("/* ", " */")}
# The header must be within this many lines from the top.
HEAD_LINES = 6


def main(arguments: list[str]) -> int:
    """List the files without a header, or add it to them."""
    lacking = [name for name in files() if lacks_header(ROOT / name)]
    if arguments == ["--write"]:
        for name in lacking:
            path = ROOT / name
            path.write_text(with_header(path.read_text(encoding="utf-8"), comment(path)), encoding="utf-8")
            print(f"{name}: header written")
        return 0
    for name in lacking:
        print(f"{name}: names no licence, run python3 tools/licences.py --write")
    return 1 if lacking else 0


def files() -> list[str]:
    """Return the files of the repository, including uncommitted ones."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def lacks_header(path: Path) -> bool:
    """Return whether it is a non-empty program file that does not name its licence at the top."""
    if path.is_symlink() or not path.is_file() or not comment(path):
        return False
    lines = path.read_text(encoding="utf-8").splitlines()
    return bool(lines) and not any(LICENCE in line for line in lines[:HEAD_LINES])


def comment(path: Path) -> tuple[str, str] | None:
    """Return how a comment begins and ends in this file, or None if it is no program."""
    if path.suffix:
        return COMMENTS.get(path.suffix)
    with path.open("rb") as file:
        return COMMENTS[".py"] if file.read(2) == b"#!" else None


def with_header(text: str, marks: tuple[str, str] | None) -> str:
    """Return the text with the header on top, or below the line that names an interpreter."""
    begin, end = marks or COMMENTS[".py"]
    header = "".join(f"{begin}{line}{end}\n" for line in HEADER)
    if text.startswith("#!"):
        first, rest = text.split("\n", 1)
        return f"{first}\n{header}{rest}"
    return header + text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
