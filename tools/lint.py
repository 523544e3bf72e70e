# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style, types, documentation, and the state of the repository."""
from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

from . import environment, lock, pythons
from .command import ROOT, STATE, Failure, NotRun, output, run

# The words that mark something left open; in pieces, so that this file holds none.
OPEN_ENDS = re.compile(r"\b({})\b".format("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])))
# On the oldest and the newest Python that ansible-test knows.
IMPORTING = ("3.8", "3.13")
SANITY = STATE / "ansible-test"
TREE = SANITY / "ansible_collections" / "loginwatch" / "pam"


def program(name: str, *arguments: str | Path, **options) -> None:
    """Run a program of the virtual environment in the checkout."""
    run(environment.program(name), *arguments, **{"env": environment.variables(), "cwd": ROOT, **options})


def types() -> None:
    """Check the host program strictly, and the rest where it is annotated."""
    cache = f"--cache-dir={STATE / 'mypy'}"
    program("mypy", cache, "--strict", "--scripts-are-modules", "files/ssh_login_notify", "files/ssh-login-notify")
    variables = {**environment.variables(), "MYPYPATH": f"{environment.COLLECTIONS}:{ROOT}"}
    program("mypy", cache, "--scripts-are-modules", "tools", "dev", env=variables)
    options = [cache, "--ignore-missing-imports", "--namespace-packages", "--explicit-package-bases"]
    collection = environment.COLLECTIONS / "ansible_collections" / "loginwatch" / "pam" / "plugins"
    program("mypy", *options, collection, env=variables)
    program("mypy", *options, "-p", "tests.lab", env=variables)
    program("mypy", *options, "molecule", env={**variables, "MYPYPATH": f"{variables['MYPYPATH']}:{ROOT / 'molecule'}"})
    program("mypy", *options, "bench", env=variables)


def sanity() -> None:
    """ansible-test, on the collection as it is published.

    It wants a tree of its own under git, in a folder of this name; a link to the checkout does not count.
    """
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    program("ansible-galaxy", "collection", "build", "--force", "--output-path", SANITY)
    run("tar", "-xzf", next(SANITY.glob("loginwatch-pam-*.tar.gz")), "-C", TREE)
    shutil.copytree(ROOT / "tests" / "sanity", TREE / "tests" / "sanity")
    run("git", "init", "-q", TREE)
    run("git", "-C", TREE, "add", "--all")
    # The real interpreters, ahead of pyenv's shims for them, which answer only for the version in use.
    found = pythons.find()
    path = ":".join([str(environment.VENV / "bin"), *(str(python.parent) for python in found.values())])
    variables = environment.variables()
    variables.update(HOME=str(home_for_sanity()), PATH=f"{path}:{variables['PATH']}")
    # It makes several environments, each with a pip of its own, and uses each once: to compile them takes two thirds of
    # its time. 0 turns this switch of pip's on (User Guide, "Environment Variables": falsy for options that begin with
    # no).
    variables["PIP_NO_COMPILE"] = "0"
    # The role's files are the collection's, by a link that ansible-galaxy packs and installs well: no test against it.
    options = ("--local", "--requirements", "--color", "no")
    sanity = partial(program, "ansible-test", "sanity", *options, cwd=TREE, env=variables)
    sanity("--skip-test", "symlinks", "--skip-test", "import")
    # All Pythons have compiled the files in that run. To import them there takes an environment, or two, for each.
    for version in IMPORTING:
        if version in found:
            sanity("--test", "import", "--python", version)


def home_for_sanity() -> Path:
    """A home directory in which ansible-test finds pip's bootstrap script, which it would download otherwise.

    Its own cache in the user's home stays as it is. The user's pip settings count here too.
    """
    home = SANITY / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for settings in (".config", ".pip"):
        if (Path.home() / settings).is_dir() and not (home / settings).is_symlink():
            (home / settings).symlink_to(Path.home() / settings)
    source = environment.VENV.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py")
    version = re.search(r"pip='([0-9.]+)'", next(source).read_text())
    if not version:
        raise Failure("ansible-test writes its pip version in a new form: adapt home_for_sanity() in tools/lint.py.")
    shutil.copy(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version[1].replace('.', '_')}.py")
    return home


def open_ends() -> None:
    """Nothing in the repository is marked as left open."""
    found = []
    for name in files():
        try:
            lines = (ROOT / name).read_text().splitlines()
        except (UnicodeDecodeError, IsADirectoryError):
            continue
        found += [f"{name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if OPEN_ENDS.search(line)]
    if found:
        raise Failure("left open:\n" + "\n".join(found))


# Files of GitHub's, and the schema of each that check-jsonschema brings along.
FORMS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/ISSUE_TEMPLATE/[!c]*.yml": "vendor.github-issue-forms",
}


def forms() -> None:
    """GitHub can read what is in .github/."""
    for pattern, schema in FORMS.items():
        program("check-jsonschema", "--builtin-schema", schema, *sorted(ROOT.glob(pattern)))


def files() -> list[str]:
    """The files of the repository, those that are not yet committed included."""
    names = output("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return [name for name in names if (ROOT / name).exists()]


def vulnerabilities() -> None:
    """None of the locked packages has a vulnerability that the package index knows of."""
    # --strict: a package that the index tells nothing of is not one without vulnerabilities.
    options = ("--require-hashes", "--disable-pip", "--strict", "--progress-spinner=off")
    for ranges in lock.LOCKS:
        program = environment.program("pip-audit")
        done = subprocess.run(
            [program, *options, "-r", lock.lock_of(ranges)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            continue
        if re.search(r"^Found \d+ known", done.stderr, re.MULTILINE):
            raise Failure(f"{done.stderr}{done.stdout}\nRaise the range in {ranges.name}, then run ./dev lock.")
        raise NotRun(f"pip-audit could not ask: {done.stderr.strip().splitlines()[-1][:200]}")


CHECKS = {
    "ruff": lambda: program("ruff", "check"),
    "mypy": types,
    "yamllint": lambda: program("yamllint", "--strict", "."),
    "ansible-lint": lambda: program("ansible-lint", "--offline", "--strict"),
    "ansible-test sanity": sanity,
    "GitHub's files": forms,
    "nothing left open": open_ends,
    "licence headers": lambda: program("python", "-B", "tools/licences.py"),
    "locks": lock.check,
    "known vulnerabilities": vulnerabilities,
}
