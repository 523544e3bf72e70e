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
    """The interpreter that environments are made of; where one is active, not that, which can't make itself anew."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def locked(requirements: Path) -> list[str]:
    """What `pip install` is given to install from a lock: nothing whose hash is not in it."""
    return ["--require-hashes", "-r", str(requirements)]


def make_venv(directory: Path, python: Path, pip_arguments: list[str], recipe: str) -> None:
    """Make a virtual environment and install packages into it, unless one of this recipe is there.

    :param python: the interpreter that it is for
    :param pip_arguments: what `pip install` is given
    :param recipe: text that tells one content from another; kept, hashed, in the environment as its stamp
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
    # The pip that Pythons up to 3.7 bring along takes the newest release of all, which these can't run.
    run(*pip, "--upgrade", "pip~=21.3; python_version < '3.8'")
    run(*pip, *pip_arguments)
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
