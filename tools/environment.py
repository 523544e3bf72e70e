# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""nox in its own environment, .dev/nox, and .dev/venv, which nox makes, with Ansible, Molecule and the linters."""
from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from . import system
from .command import ROOT, STATE, output, run, say, succeeds

NOX = STATE / "nox"
VENV = STATE / "venv"
LOCK = ROOT / "tools" / "requirements.txt"


def ensure(*sessions: str) -> None:
    """Make or update .dev/venv and the environments of these nox sessions. Quick if nothing has changed."""
    ensure_nox()
    run(*nox("--session", "venv", *sessions))


def ensure_nox() -> None:
    """Install nox, unless the packages of its lock are installed already."""
    stamp = NOX / "installed"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and (NOX / "bin" / "python").exists():
        return
    # Never use the interpreter of an active environment, which can't replace itself.
    python = getattr(sys, "_base_executable", None) or sys.executable
    say(f"making {NOX.relative_to(ROOT)} for {python} (downloads from the Python package index)")
    if not succeeds(python, "-c", "import ensurepip"):
        system.install(output(python, "-c", "import sys; print('python%d.%d-venv' % sys.version_info[:2])"))
    run(python, "-m", "venv", "--clear", NOX)
    run(NOX / "bin" / "python", "-m", "pip", "install", "-qq", "--require-hashes", "-r", LOCK)
    stamp.write_text(digest)


def nox(*arguments: str | Path, words: list[str] | None = None) -> list[str | Path]:
    """Return the command that starts nox with these arguments, and with these words after --."""
    return [NOX / "bin" / "nox", "--noxfile", ROOT / "noxfile.py", *arguments, "--", *(words or [])]


def program(name: str) -> Path:
    """Return the path of a program in the virtual environment, such as ansible-playbook."""
    return VENV / "bin" / name


def variables() -> dict[str, str]:
    """Return the variables of an activated environment, with the collection on Ansible's path."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {
        **inherited,
        "VIRTUAL_ENV": str(VENV),
        "PATH": f"{VENV / 'bin'}:{inherited.get('PATH', os.defpath)}:{NOX / 'bin'}",
        "ANSIBLE_COLLECTIONS_PATH": str(STATE / "collections"),
    }
