# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks, in parts that can be run alone; a table at the end says what held and how long it took.

Most scenarios wait most of their time. So several checks run at a time, and at most one of them is of those that keep a
processor busy, for as long as there are others. They begin while the images of the servers are still being made. The
output of each comes in one piece when it has ended. Beside the few tests that are marked `timed` nothing runs; they
come last, on servers that their scenario's other tests have left.
"""
from __future__ import annotations

import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Event, Lock

from . import enforcing, environment, images, lint, pythons, system
from .command import PRINTED, ROOT, STATE, Failure, NotRun, run, say

# The longest first, so that none of them is left to run alone at the end.
SCENARIOS = (
    "attacks", "fleet", "grown_fleet", "default", "outage", "channels", "faults", "safety_valve", "selinux", "healing",
    "remove", "storm",
)  # fmt: skip
# Some of their tests are marked `timed` (pyproject.toml says what that means).
TIMED = ("outage", "storm")
# On two processors. Four keep them no busier, and have tests wait longer for what servers do.
JOBS = 3

# The Ansibles that run the tests of plugins and role beside the one in .dev/venv: the oldest that the collection takes
# (meta/runtime.yml) and the newest, each with the Pythons that it runs on. tests/NAME_ansible/ has what is installed.
CORES = {
    "oldest": ("2.16", ("3.12", "3.11", "3.10")),
    "newest": ("2.21", ("3.13", "3.12")),
}

# Of `./dev test quick`.
MIDDLE_PYTHON = "3.9"
QUICK_SCENARIOS = ("default", "safety_valve")

PRINTING = Lock()


class Turn(Enum):
    """When a check runs, and what may run beside it."""

    FIRST = 1  # before those that need what it provides: all that wait, and some that work
    WORKS = 2  # keeps a processor busy: one at a time, beside those that wait
    WAITS = 3  # waits most of its time: several at a time
    ALONE = 4  # at the end, and nothing beside it


@dataclass(eq=False)
class Check:
    """One line of the table: `run` raises Failure if something does not hold."""

    name: str
    run: Callable[[], object]
    turn: Turn = Turn.WORKS
    needs_first: bool = False  # of those that work: it has to wait for the checks whose turn is first


@dataclass
class Result:
    """The outcome of a check. held: None if it could not be run here."""

    name: str
    seconds: float
    held: bool | None


def unit(versions: Iterable[str] = pythons.VERSIONS, cores: Iterable[str] = CORES) -> Iterator[Check]:
    """The notifier on every Python that is here, and the plugins on Ansible's own.

    :param cores: names of CORES, beside the Ansible in .dev/venv
    """
    found = pythons.find()
    for version in versions:
        if version in found:
            yield Check(f"unit: notifier, Python {version}", partial(test_notifier, version, found[version]))
        else:
            say(f"unit: notifier, Python {version}: not tested, there is no such interpreter here")
    yield Check("shells", provide_shells, Turn.FIRST)
    yield Check("unit: what shells run", lambda: pytest("tests/unit/shells"), needs_first=True)
    others = [*(f"tests/unit/{name}" for name in ("plugins", "role", "examples")), "bench/tests"]
    yield Check("unit: plugins, role, examples, bench", lambda: pytest(*others))
    for name in cores:
        title = f"unit: plugins, role, ansible-core {CORES[name][0]}"
        yield Check(title, partial(test_with_ansible, name), needs_first=True)


def receiver() -> Iterator[Check]:
    """The stand-in for Slack; a real browser shows its page."""
    yield Check("browser", provide_browser, Turn.FIRST)
    yield Check("receiver", lambda: pytest("tests/unit/receiver"), needs_first=True)


def molecule(scenarios: tuple[str, ...] = SCENARIOS, one_platform: bool = False) -> Iterator[Check]:
    """The role on real servers."""
    yield Check("images of the servers", prepare, Turn.FIRST)
    if "fleet" in scenarios or "grown_fleet" in scenarios:
        yield Check("browser", provide_browser, Turn.FIRST)
        yield Check(f"ansible-core {CORES['oldest'][0]}", partial(provide_ansible, "oldest"), Turn.FIRST)
    for scenario in scenarios:
        if scenario in TIMED:
            yield Check(f"molecule: {scenario}", partial(untimed_tests, scenario, one_platform), Turn.WAITS)
            yield Check(f"molecule: {scenario}, timed", partial(timed_tests, scenario, one_platform), Turn.ALONE)
        else:
            yield Check(f"molecule: {scenario}", partial(whole_scenario, scenario, one_platform), Turn.WAITS)


def linters() -> Iterator[Check]:
    """Style, types and documentation."""
    for name, function in lint.CHECKS.items():
        yield Check(f"lint: {name}", function)


def quick() -> Iterator[Check]:
    """What a change breaks most often: for the minutes between two edits."""
    yield from linters()
    yield from unit((pythons.VERSIONS[0], MIDDLE_PYTHON, pythons.VERSIONS[-1]), cores=())
    yield from molecule(QUICK_SCENARIOS, one_platform=True)


def under_selinux() -> Iterator[Check]:
    """The role and logins under an enforcing kernel. Only by name: it takes too long for every run."""
    yield Check("enforcing: Debian 12 in a virtual machine", enforcing.test, Turn.WAITS)


PARTS: dict[str, Callable[[], Iterator[Check]]] = {
    "lint": linters,
    "unit": unit,
    "receiver": receiver,
    "molecule": molecule,
}


def run_parts(words: list[str], jobs: int = JOBS) -> int:
    """Run these parts (none: all of them), every check of them even after one failed; 0 if all of them hold.

    :param words: names of parts and of scenarios, `quick`, or `enforcing`
    :param jobs: how many checks run at a time
    """
    known: dict[str, Callable[[], Iterator[Check]]] = {**PARTS, "quick": quick, "enforcing": under_selinux}
    known.update((name, partial(molecule, (name,))) for name in SCENARIOS)
    unknown = [word for word in words if word not in known]
    if unknown:
        raise Failure(f"there is no part {unknown[0]!r}. Choose from: {', '.join(known)}")
    environment.ensure()
    checks = [check for word in words or PARTS for check in known[word]()]
    # What several parts need is provided once.
    return report(run_all(list({check.name: check for check in checks}.values()), jobs))


def run_selected(arguments: list[str]) -> int:
    """Run what these arguments of pytest select, with the Python of .dev/venv; 0 if all of it holds, else Failure."""
    environment.ensure()
    pytest(*arguments)
    return 0


def run_all(checks: list[Check], jobs: int) -> list[Result]:
    """Run all of them, and return the outcome of each, in their order."""
    turns = {turn: [check for check in checks if check.turn is turn] for turn in Turn}
    beside = turns[Turn.WAITS] + turns[Turn.WORKS]
    if jobs == 1 or len(beside) == 1:
        results = {check: attempt(check) for check in turns[Turn.FIRST] + beside}
    else:
        results = run_side_by_side(turns[Turn.FIRST], turns[Turn.WORKS], turns[Turn.WAITS], jobs)
    results.update((check, attempt(check)) for check in turns[Turn.ALONE])
    return [results[check] for check in checks]


def run_side_by_side(first: list[Check], works: list[Check], waits: list[Check], jobs: int) -> dict[Check, Result]:
    """Run so many checks at a time, of those that keep a processor busy one, until nothing else is left.

    While one worker runs the first checks, the others need not be idle: they run what works and needs none of these.
    """
    working, waiting = deque(works), deque(waits)
    results: dict[Check, Result] = {}
    provided = Event()

    def provide() -> None:
        try:
            results.update((check, printed_at_end(check)) for check in first)
        finally:
            provided.set()
        work(waiting, working)

    def work(mine: deque[Check], others: deque[Check]) -> None:
        while True:
            queue = next(filter(None, (mine, others) if provided.is_set() else (working, waiting)), None)
            if queue is None:
                return
            try:
                check = queue.popleft()
            except IndexError:
                continue  # another worker was faster
            if check.turn is Turn.WAITS or check.needs_first:
                provided.wait()
            results[check] = printed_at_end(check)

    with ThreadPoolExecutor(jobs) as pool:
        workers = [pool.submit(provide), pool.submit(work, working, waiting)]
        workers += [pool.submit(work, waiting, working) for _job in range(jobs - 2)]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            working.clear()  # Ctrl-C has reached what runs; nothing else is to start
            waiting.clear()
            raise
    return results


def printed_at_end(check: Check) -> Result:
    """Run a check while others run too, and print its output when it has ended."""
    path = STATE / "logs" / (re.sub(r"[^A-Za-z0-9.]+", "-", check.name) + ".log")
    path.parent.mkdir(parents=True, exist_ok=True)
    say(f"{check.name} (its output goes to {path.relative_to(ROOT)}, and comes here at the end)")
    with path.open("w+", errors="replace") as log:
        PRINTED.set(log)
        result = attempt(check)
        log.seek(0)
        with PRINTING:
            shutil.copyfileobj(log, sys.stdout)
            sys.stdout.flush()
    PRINTED.set(None)
    return result


def attempt(check: Check) -> Result:
    """Run a check to its end, whatever its outcome."""
    say(check.name)
    start = time.monotonic()
    held: bool | None
    try:
        check.run()
        held = True
    except NotRun as reason:
        say(f"{check.name}: not run: {reason}")
        held = None
    except Failure as failure:
        say(f"{check.name}: {failure}")
        held = False
    return Result(check.name, time.monotonic() - start, held)


def report(results: list[Result]) -> int:
    """Print the table; 1 if anything failed."""
    width = max(len(result.name) for result in results)
    print()
    for result in results:
        word = {True: "ok", False: "FAILED", None: "not run here"}[result.held]
        print(f"{result.name:{width}}  {result.seconds:7.1f} s  {word}")
    failed = sum(result.held is False for result in results)
    skipped = sum(result.held is None for result in results)
    passed = len(results) - failed - skipped
    print(f"\nchecks: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def test_notifier(version: str, python: Path) -> None:
    """The tests of files/, on one Python."""
    directory = STATE / "pythons" / version
    requirements = ROOT / "tests" / "unit" / "notifier" / "requirements.txt"
    environment.make_venv(directory, python, environment.locked(requirements), requirements.read_text())
    # Most cases have the same outcome on every Python: two Pythons are enough for these.
    options = () if version in (pythons.VERSIONS[0], pythons.VERSIONS[-1]) else ("--between",)
    python = directory / "bin" / "python"
    run(python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/notifier", *options)


def prepare() -> None:
    """Provide what Molecule needs: the collection, the clients that log in, and the images."""
    environment.link_collection()
    system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git", "sshpass": "sshpass", "cc": "gcc"})
    images.ensure()


def provide_shells() -> None:
    """Install the shells whose reading of a command line is compared with the notifier's."""
    system.require({name: name for name in ("bash", "dash", "zsh", "fish", "tcsh")})


def provide_browser() -> None:
    """Install a browser, in which the tests look at pages."""
    if not any(system.find(browser) for browser in ("chromium", "google-chrome")):
        system.install("chromium")


def provide_ansible(name: str) -> Path:
    """Return the environment of one of CORES; raise NotRun where no Python is here that it runs on."""
    core, versions = CORES[name]
    found = pythons.find()
    python = next((found[version] for version in versions if version in found), None)
    if python is None:
        raise NotRun(f"ansible-core {core} runs on Python {', '.join(versions)}, none of which is here")
    directory = STATE / f"{name}-ansible"  # the fleet's tests look for the oldest
    requirements = ROOT / "tests" / f"{name}_ansible" / "requirements.txt"
    recipe = f"{python} {requirements.read_text()}"
    environment.make_venv(directory, python, environment.locked(requirements), recipe)
    return directory


def test_with_ansible(name: str) -> None:
    """The unit tests of plugins and role, with one of CORES."""
    python = provide_ansible(name) / "bin" / "python"
    # A module's cases are about hosts. What a core makes of a role differs most with the oldest.
    pytest("tests/unit/plugins", "--between", python=python)
    pytest("tests/unit/role", *(() if name == "oldest" else ("--between",)), python=python)


def pytest(*words: str, python: Path | None = None) -> None:
    """Run tests in the virtual environment, or by the interpreter of another, with the collection importable."""
    variables = environment.variables()
    variables["PYTHONPATH"] = str(environment.COLLECTIONS)
    python = python or environment.program("python")
    run(python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, env=variables)


def whole_scenario(name: str, one_platform: bool = False) -> None:
    """One Molecule scenario from nothing to nothing."""
    run_molecule("test", name, one_platform)


def untimed_tests(name: str, one_platform: bool = False) -> None:
    """One Molecule scenario but for its timed tests; its servers stay for these."""
    run_molecule("destroy", name, one_platform)
    run_molecule("converge", name, one_platform)
    run_molecule("verify", name, one_platform, tests="not timed")


def timed_tests(name: str, one_platform: bool = False) -> None:
    """The tests that untimed_tests() has left out, and the removal of the servers."""
    try:
        run_molecule("verify", name, one_platform, tests="timed")
    finally:
        run_molecule("destroy", name, one_platform)


def run_molecule(command: str, scenario: str, one_platform: bool = False, tests: str = "") -> None:
    """Run a command of Molecule's.

    :param tests: which tests `verify` runs, as pytest's option -m has it; empty for all of them
    """
    # Molecule frames what Ansible prints and breaks its lines at the terminal's width; a log is read without.
    variables = {**environment.variables(), "MOLECULE_COMMAND_BORDERS": "false", "ANSIBLE_FORCE_COLOR": "false"}
    if tests:
        variables["PYTEST_ADDOPTS"] = f"{variables.get('PYTEST_ADDOPTS', '')} -m '{tests}'"
    if one_platform:
        variables["LAB_ONE_PLATFORM"] = "true"  # molecule/conftest.py leaves out the tests of the others
    # A list in a later file replaces that of an earlier one.
    configurations = ("config.yml", "one_platform.yml") if one_platform else ("config.yml",)
    options = [word for name in configurations for word in ("-c", ROOT / ".config" / "molecule" / name)]
    run(environment.program("molecule"), *options, command, "-s", scenario, env=variables)
