# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environment with Ansible, Molecule and the linters, and the collection where Ansible looks for it."""
from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from . import system
from .command import ROOT, STATE, output, run, say, succeeds

VENV = STATE / "venv"
COLLECTIONS = STATE / "collections"
REQUIREMENTS = ROOT / "requirements.txt"  # made by tools/lock.py


def ensure() -> None:
    """Make the environment, or bring it up to date with requirements.txt. Quick when nothing has changed."""
    make_venv(VENV, python(), locked(REQUIREMENTS), sys.version + REQUIREMENTS.read_text())
    link_collection()


def python() -> Path:
    """Return the interpreter that makes environments: never that of an active one, which cannot replace itself."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def locked(requirements: Path) -> list[str]:
    """Return the arguments of `pip install` that install exactly what a lock names, by hash."""
    return ["--require-hashes", "-r", str(requirements)]


def make_venv(directory: Path, python: Path, pip_arguments: list[str], recipe: str) -> None:
    """Make a virtual environment and install packages into it, unless one of this recipe is there.

    :param python: its interpreter
    :param pip_arguments: arguments of `pip install`
    :param recipe: changes whenever the content should; its hash is kept in the environment
    """
    stamp = directory / "installed"
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and (directory / "bin" / "python").exists():
        return
    say(f"making {directory.relative_to(ROOT)} for {python} (downloads from the Python package index)")
    if not succeeds(python, "-c", "import ensurepip"):
        system.install(output(python, "-c", "import sys; print('python%d.%d-venv' % sys.version_info[:2])"))
    run(python, "-m", "venv", "--clear", directory)
    pip = (directory / "bin" / "python", "-m", "pip", "install", "-qq")
    # The pip of Python 3.6 and 3.7 would choose the newest release of a package, which these Pythons cannot run.
    run(*pip, "--upgrade", "pip~=21.3; python_version < '3.8'")
    run(*pip, "--no-compile", *pip_arguments)
    # Two thirds of the files are collections, of which Ansible reads no byte code.
    options = ("-q", "-j", "0", "-x", "ansible_collections")
    run(directory / "bin" / "python", "-m", "compileall", *options, directory / "lib")
    stamp.write_text(digest)


def link_collection() -> None:
    """Show Ansible the checkout as the collection loginwatch.pam."""
    link = COLLECTIONS / "ansible_collections" / "loginwatch" / "pam"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT)


def program(name: str) -> Path:
    """A program of the virtual environment, such as ansible-playbook."""
    return VENV / "bin" / name


def run_python(*arguments: str) -> None:
    """Run a script of the checkout in the environment."""
    ensure()
    run(program("python"), "-B", *arguments, env=variables())


def variables() -> dict[str, str]:
    """The environment variables of an activated environment, with the collection in it."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {
        **inherited,
        "VIRTUAL_ENV": str(VENV),
        "PATH": f"{VENV / 'bin'}:{inherited.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
    }
