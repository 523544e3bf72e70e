# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this repository, and the environment that it needs.

`./dev` installs nox and runs several checks at a time. To run a single one:

    .dev/nox/bin/nox -s unit-3.9 -- tests/unit/notifier/test_spool.py -k NAME
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
STATE = ROOT / ".dev"
VENV = STATE / "venv"
COLLECTIONS = STATE / "collections"

nox.needs_version = ">=2026.8.10"
nox.options.envdir = ".dev"
nox.options.reuse_venv = "yes"
nox.options.tags = ["lint", "unit", "receiver"]
# uv, because virtualenv and pip have dropped Python 3.6. It uses the system's certificate authorities, as pip does.
nox.options.default_venv_backend = "uv"
os.environ["UV_SYSTEM_CERTS"] = "true"
# Skip a Python that is not on this machine.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
# pyenv's shim python3.6 works only where that version is active. The directory of each version has one that always
# works.
PYENV = [str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin")]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *PYENV])

# The program that is installed on hosts runs on each of them.
PYTHONS = [f"3.{minor}" for minor in range(6, 14)]
# Besides the Ansible in .dev/venv: the oldest that the collection supports (meta/runtime.yml) and the newest, each with
# the Pythons that it runs on, the preferred one first.
CORES = {"oldest": ("3.12", "3.11", "3.10"), "newest": ("3.13", "3.12")}
# The longest first, so that none of them runs alone at the end.
SCENARIOS = [
    "attacks", "default", "grown_fleet", "audit", "fleet", "outage", "faults", "safety_valve", "selinux", "healing",
    "remove", "channels", "storm",
]  # fmt: skip

# Ranges of versions, written by people, each with the oldest Python that they are for. The lock next to each names the
# newest release for each Python from that one on, and every file by its hash. Packages are installed only from locks.
RANGES = {
    ROOT / "requirements.in": "3.11",
    ROOT / "tools" / "requirements.in": "3.11",
    ROOT / "tests" / "unit" / "notifier" / "requirements.in": "3.6",
    ROOT / "tests" / "oldest_ansible" / "requirements.in": "3.10",
    ROOT / "tests" / "newest_ansible" / "requirements.in": "3.12",
    ROOT / "fuzz" / "requirements.in": "3.11",
}
STAMP = "# Made by `./dev lock` from {} {}; not to be edited.\n"

# GitHub's files, and the schema of each that is part of check-jsonschema.
FORMS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/ISSUE_TEMPLATE/[!c]*.yml": "vendor.github-issue-forms",
}
# The words that mark unfinished work, written in pieces, so that this file does not match.
OPEN_ENDS = r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"


def first_here(versions: tuple[str, ...]) -> str:
    """Return the first of these Pythons that is on this machine, or the first of all if none is."""
    return next((version for version in versions if shutil.which(f"python{version}")), versions[0])


def install(session: nox.Session, lock: Path) -> None:
    """Make the session's environment contain exactly the packages of a lock. Quick if nothing has changed."""
    stamp = session.env_dir / "installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    session.run_install("uv", "pip", "sync", "--quiet", "--require-hashes", lock)
    # Two thirds of the files are collections, whose byte code Ansible does not use.
    options = ("-q", "-j", "0", "-x", "ansible_collections")
    session.run_install("python", "-m", "compileall", *options, session.env_dir / "lib")
    stamp.write_text(digest)


def run(session: nox.Session, program: str, *arguments: str | Path, directory: Path = VENV, **options) -> str:
    """Run a program of .dev/venv or of another environment, with the collection on Ansible's path.

    :param options: as for nox.Session.run; env is added to the variables of an activated environment
    """
    variables = {
        "VIRTUAL_ENV": str(directory),
        "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": None,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        **options.pop("env", {}),
    }
    return session.run(directory / "bin" / program, *arguments, env=variables, external=True, **options)


def run_pytest(session: nox.Session, *arguments: str | Path, directory: Path = VENV) -> None:
    """Run tests in .dev/venv or another environment, with the collection importable."""
    options = ("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    run(session, "python", *options, *arguments, directory=directory, env={"PYTHONPATH": str(COLLECTIONS)})


# Environments.

@nox.session
def venv(session: nox.Session) -> None:
    """Make .dev/venv, with Ansible, Molecule and the linters, and link the checkout into Ansible's collections."""
    install(session, ROOT / "requirements.txt")
    link = COLLECTIONS / "ansible_collections" / "loginwatch" / "pam"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT)


@nox.session(name="oldest-ansible", python=first_here(CORES["oldest"]))
def oldest_ansible(session: nox.Session) -> None:
    """Make .dev/oldest-ansible, with the oldest ansible-core that the collection supports."""
    install(session, ROOT / "tests" / "oldest_ansible" / "requirements.txt")


@nox.session(name="newest-ansible", python=first_here(CORES["newest"]))
def newest_ansible(session: nox.Session) -> None:
    """Make .dev/newest-ansible, with the newest ansible-core that the collection is tested with."""
    install(session, ROOT / "tests" / "newest_ansible" / "requirements.txt")


# Style, types, documentation, and the state of the repository.

def linter(name: str):
    """Return a decorator for a session that checks the repository with programs of .dev/venv."""
    return nox.session(name=name, venv_backend="none", requires=["venv"], tags=["lint"])


@linter("ruff")
def ruff(session: nox.Session) -> None:
    """Check the style of Python."""
    run(session, "ruff", "check")


@linter("mypy")
def mypy(session: nox.Session) -> None:
    """Check the types: strictly in the program on hosts, elsewhere where there are annotations."""

    def check(*arguments: str | Path, path: str = f"{COLLECTIONS}:{ROOT}") -> None:
        run(session, "mypy", f"--cache-dir={STATE / 'mypy'}", *arguments, env={"MYPYPATH": path})

    check("--strict", "--scripts-are-modules", "files/ssh_login_notify", "files/ssh-login-notify", path="")
    check("--scripts-are-modules", "tools", "dev")
    check("--python-executable", sys.executable, "noxfile.py")
    options = ("--ignore-missing-imports", "--namespace-packages", "--explicit-package-bases")
    check(*options, COLLECTIONS / "ansible_collections" / "loginwatch" / "pam" / "plugins")
    check(*options, "-p", "tests.lab")
    check(*options, "molecule", path=f"{COLLECTIONS}:{ROOT}:{ROOT / 'molecule'}")
    check(*options, "bench")


@linter("yamllint")
def yamllint(session: nox.Session) -> None:
    """Check the style of YAML."""
    run(session, "yamllint", "--strict", ".")


@linter("ansible-lint")
def ansible_lint(session: nox.Session) -> None:
    """Check the style of role and playbooks."""
    run(session, "ansible-lint", "--offline", "--strict")


@linter("sanity")
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity on the collection as it is published.

    ansible-test requires a git tree of its own, in a directory with this name. It does not accept a symlink.
    """
    directory = STATE / "ansible-test"
    tree = directory / "ansible_collections" / "loginwatch" / "pam"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    run(session, "ansible-galaxy", "collection", "build", "--force", "--output-path", directory)
    session.run("tar", "-xzf", next(directory.glob("loginwatch-pam-*.tar.gz")), "-C", tree, external=True)
    shutil.copytree(ROOT / "tests" / "sanity", tree / "tests" / "sanity")
    session.run("git", "init", "-q", tree, external=True)
    session.run("git", "-C", tree, "add", "--all", external=True)
    variables = {
        "HOME": str(home_for_sanity(session, directory)),
        "PATH": os.pathsep.join([str(VENV / "bin"), *PYENV, os.environ["PATH"]]),
        # ansible-test makes several environments, each with its own pip, and uses each once. Compiling them takes two
        # thirds of its time. 0 turns this switch of pip on (User Guide, "Environment Variables": falsy for options that
        # begin with no).
        "PIP_NO_COMPILE": "0",
    }

    def test(*arguments: str) -> None:
        options = ("--local", "--requirements", "--color", "no")
        run(session, "ansible-test", "sanity", *options, *arguments, env=variables)

    with session.chdir(tree):
        # The role's files are a symlink to the collection's, which ansible-galaxy packs and installs correctly.
        test("--skip-test", "symlinks", "--skip-test", "import")
        # This run has compiled the files with all Pythons. An import test needs one or two environments per Python, so
        # it runs only with the oldest and the newest that ansible-test supports.
        for version in ("3.8", "3.13"):
            if shutil.which(f"python{version}"):
                test("--test", "import", "--python", version)


def home_for_sanity(session: nox.Session, directory: Path) -> Path:
    """Return a home directory with pip's bootstrap script in ansible-test's cache, so that it downloads none.

    The cache in the user's own home is not changed. The user's pip settings apply here too.
    """
    home = directory / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for settings in (".config", ".pip"):
        if (Path.home() / settings).is_dir() and not (home / settings).is_symlink():
            (home / settings).symlink_to(Path.home() / settings)
    (source,) = VENV.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py")
    version = re.search(r"pip='([0-9.]+)'", source.read_text())
    if not version:
        session.error("ansible-test writes its pip version in a new form: adapt home_for_sanity() in noxfile.py.")
    shutil.copy(ROOT / "tools" / "get_pip.py", cache / f"get_pip_{version[1].replace('.', '_')}.py")
    return home


@linter("github-files")
def github_files(session: nox.Session) -> None:
    """Check that GitHub accepts the files in .github/."""
    for pattern, schema in FORMS.items():
        run(session, "check-jsonschema", "--builtin-schema", schema, *sorted(ROOT.glob(pattern)))


@linter("open-ends")
def open_ends(session: nox.Session) -> None:
    """Check that nothing in the repository is marked as unfinished."""
    # git grep skips what git ignores, and ends with 1 if it finds nothing.
    options = ("--untracked", "--line-number", "-I", "--perl-regexp")
    found = session.run("git", "grep", *options, OPEN_ENDS, external=True, silent=True, success_codes=(0, 1))
    if found:
        session.error(f"unfinished work:\n{found}")


@linter("licences")
def licences(session: nox.Session) -> None:
    """Check that each program file names its licence."""
    run(session, "python", "-B", "tools/licences.py")


@linter("locks")
def locks(session: nox.Session) -> None:
    """Check that each lock was made from its current ranges, and has a hash for every package."""
    for ranges in RANGES:
        lock = ranges.with_suffix(".txt")
        text = lock.read_text() if lock.exists() else ""
        if not text.startswith(stamp(ranges)):
            session.error(f"{lock.relative_to(ROOT)} is out of date with {ranges.name}: run ./dev lock")
        for requirement in text.replace("\\\n", " ").splitlines():
            if "==" in requirement and "--hash=sha256:" not in requirement:
                session.error(f"{lock.relative_to(ROOT)} has no hash for {requirement.split()[0]}: run ./dev lock")


@linter("vulnerabilities")
def vulnerabilities(session: nox.Session) -> None:
    """Check that the package index lists no vulnerability of a locked package."""
    # --strict: fail for a package that the index has no data about.
    options = ("--require-hashes", "--disable-pip", "--strict", "--progress-spinner=off")
    for ranges in RANGES:
        lock = ranges.with_suffix(".txt")
        said = run(session, "pip-audit", *options, "-r", lock, silent=True, success_codes=(0, 1))
        if re.search(r"^Found \d+ known", said, re.MULTILINE):
            session.error(f"{said}\nRaise the range in {ranges.relative_to(ROOT)}, then run ./dev lock.")
        if not re.search(r"^No known vulnerabilities found", said, re.MULTILINE):
            session.skip(f"pip-audit can't query the index: {said.strip().splitlines()[-1][:200]}")


# Tests without servers. Arguments of pytest after -- replace the usual tests.

@nox.session(python=PYTHONS, tags=["unit"])
def unit(session: nox.Session) -> None:
    """Test the program that is installed on hosts."""
    install(session, ROOT / "tests" / "unit" / "notifier" / "requirements.txt")
    # Most cases have the same result on every Python, so only the newest runs all of them.
    selection = {PYTHONS[0]: ["--differing"], PYTHONS[-1]: []}.get(str(session.python), ["--between"])
    words = session.posargs or ["tests/unit/notifier", *selection]
    # pytest rewrites all modules of a plugin for its asserts, in each run. hypothesis does not need its plugin.
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    session.run("python", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, env=variables)


@nox.session(venv_backend="none", requires=["venv"], tags=["unit"])
def shells(session: nox.Session) -> None:
    """Compare how shells and the notifier parse a command line. Installs the shells."""
    provide(session, "shells")
    run_pytest(session, *(session.posargs or ["tests/unit/shells"]))


@nox.session(venv_backend="none", requires=["venv", "oldest-ansible", "newest-ansible"], tags=["unit"])
@nox.parametrize("core", ["usual", *CORES], ids=["usual", *CORES])
def plugins(session: nox.Session, core: str) -> None:
    """Test plugins and role with one ansible-core; with that of .dev/venv, test the examples and the bench too.

    Installs the shells that people log in with and, for the examples, the browser.
    """
    if core == "usual":
        provide(session, "shells", "browser")
        folders = [f"tests/unit/{name}" for name in ("plugins", "role", "examples")]
        run_pytest(session, *(session.posargs or [*folders, "bench/tests"]))
        return
    directory = STATE / f"{core}-ansible"
    if not (directory / "installed").exists():
        session.skip(f"the {core} ansible-core runs on Python {', '.join(CORES[core])}, none of which is here")
    provide(session, "shells")
    words = session.posargs or ["tests/unit/plugins", "tests/unit/role", "--differing"]
    run_pytest(session, *words, directory=directory)


@nox.session(venv_backend="none", requires=["venv"], tags=["receiver"])
def receiver(session: nox.Session) -> None:
    """Test the stand-in for Slack, and its page in a real browser. Installs the browser."""
    provide(session, "browser")
    run_pytest(session, *(session.posargs or ["tests/unit/receiver"]))


@nox.session(venv_backend="none", requires=["venv"])
def pytest(session: nox.Session) -> None:
    """Run the tests that pytest's arguments after -- select, with the Python of .dev/venv."""
    run_pytest(session, *session.posargs)


# Tests on servers.

@nox.session(venv_backend="none", requires=["venv", "oldest-ansible"], tags=["molecule"])
@nox.parametrize("scenario", SCENARIOS, ids=SCENARIOS)
def molecule(session: nox.Session, scenario: str) -> None:
    """Run a scenario on real servers from start to end, or only these commands of Molecule: -- converge verify."""
    if "fleet" in scenario:
        provide(session, "browser")
    # Molecule draws borders around Ansible's output and wraps it at the terminal's width, which a log does not need.
    variables = {"MOLECULE_COMMAND_BORDERS": "false", "ANSIBLE_FORCE_COLOR": "false"}
    configurations = ["config.yml"]
    if os.environ.get("LAB_ONE_PLATFORM"):  # molecule/conftest.py skips the tests of the others
        configurations.append("one_platform.yml")  # a list in a later file replaces that of an earlier one
    options = [word for name in configurations for word in ("-c", ROOT / ".config" / "molecule" / name)]
    commands = list(session.posargs) or ["test"]
    with contextlib.ExitStack() as stack:
        if commands[-1] == "destroy":  # also if a command before it has failed
            stack.callback(run, session, "molecule", *options, commands.pop(), "-s", scenario, env=variables)
        for command in commands:
            run(session, "molecule", *options, command, "-s", scenario, env=variables)


@nox.session(venv_backend="none", requires=["venv"], tags=["enforcing"])
def enforcing(session: nox.Session) -> None:
    """Test role and logins under an enforcing kernel, in a virtual machine. Takes ten minutes or more."""
    run(session, "python", "-B", "-m", "tools.enforcing", env={"PYTHONPATH": f"{COLLECTIONS}:{ROOT}"})


def provide(session: nox.Session, *what: str) -> None:
    """Install the Debian packages that tools/system.py lists for each of these."""
    session.run(sys.executable, "-B", "-m", "tools.system", *what, external=True)


# Chores.

@nox.session(venv_backend="none", requires=["venv"])
def docs(session: nox.Session) -> None:
    """Make the tables of variables and of tested hosts, and the role's defaults."""
    run(session, "python", "-B", "tools/variables.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the parsers that read hostile input with atheris (fuzz/)."""
    install(session, ROOT / "fuzz" / "requirements.txt")
    session.run("python", "-B", "-m", "tools.fuzz", *session.posargs)


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Remake all locks, with the newest releases in the ranges."""
    options = ("--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")
    for ranges, oldest in RANGES.items():
        lock = ranges.with_suffix(".txt")
        lock.unlink(missing_ok=True)  # otherwise uv keeps the releases that are in it
        command = ("-m", "uv", "pip", "compile", *options, "--python-version", oldest, ranges, "--output-file", lock)
        session.run(sys.executable, *command, external=True)
        lock.write_text(stamp(ranges) + lock.read_text())


def stamp(ranges: Path) -> str:
    """Return the first line of the lock, which names what it was made from."""
    return STAMP.format(ranges.name, hashlib.sha256(ranges.read_bytes()).hexdigest()[:16])
