"""Everything that must hold, in parts that can be run alone; a table at the end says what held and how long it took.

Two checks run at a time: those on real servers wait most of their time, and the others work most of theirs. What each
of the two prints comes in one piece, when it has ended. Where logins are timed, or attacked, nothing runs beside it.
"""
from __future__ import annotations

import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Lock

from . import bench, environment, images, lint, pythons, system
from .command import PRINTED, ROOT, STATE, Failure, NotRun, run, say

SCENARIOS = ("default", "safety_valve", "remove", "faults", "outage", "storm", "attacks", "selinux", "fleet")
# They compare how long logins take, or make the load that would lengthen those of others.
LOADED = ("safety_valve", "faults", "outage", "storm", "attacks")

# The oldest Ansible that the collection takes (meta/runtime.yml), and the Pythons that it runs on.
OLDEST_ANSIBLE = "2.16"
OLDEST_ANSIBLE_PYTHONS = ("3.12", "3.11", "3.10")

PRINTING = Lock()


class Turn(Enum):
    """When a check runs: before all others, which need it; two at a time; or in the end, and nothing beside it."""

    FIRST = 1
    BESIDE = 2
    ALONE = 3


@dataclass(eq=False)
class Check:
    """One line of the table: something that holds, or raises Failure."""

    name: str
    run: Callable[[], object]
    turn: Turn = Turn.BESIDE


@dataclass
class Result:
    """What came of a check. held: None if it could not be run here."""

    name: str
    seconds: float
    held: bool | None


def unit() -> Iterator[Check]:
    """The notifier on every Python that is here, and the plugins on Ansible's own."""
    found = pythons.find()
    for version, python in found.items():
        yield Check(f"unit: notifier, Python {version}", partial(test_notifier, version, python))
    for version in pythons.VERSIONS:
        if version not in found:
            say(f"unit: notifier, Python {version}: not tested, there is no such interpreter here")
    yield Check("shells", provide_shells, Turn.FIRST)
    yield Check("unit: what shells run", lambda: pytest("tests/unit/shells"))
    others = [*(f"tests/unit/{name}" for name in ("plugins", "role", "examples")), "bench/tests"]
    yield Check("unit: plugins, role, examples, bench", lambda: pytest(*others))
    yield Check(f"unit: plugins, role, ansible-core {OLDEST_ANSIBLE}", test_with_oldest_ansible)


def receiver() -> Iterator[Check]:
    """The stand-in for Slack; its page is looked at with a real browser."""
    yield Check("browser", provide_browser, Turn.FIRST)
    yield Check("receiver", lambda: pytest("tests/unit/receiver"))


def molecule(scenarios: tuple[str, ...] = SCENARIOS) -> Iterator[Check]:
    """The role on real servers."""
    yield Check("images of the servers", prepare, Turn.FIRST)
    if "fleet" in scenarios:
        yield Check("browser", provide_browser, Turn.FIRST)
        yield Check(f"ansible-core {OLDEST_ANSIBLE}", provide_oldest_ansible, Turn.FIRST)
    for scenario in scenarios:
        turn = Turn.ALONE if scenario in LOADED else Turn.BESIDE
        yield Check(f"molecule: {scenario}", partial(test_scenario, scenario), turn)


def kinds() -> Iterator[Check]:
    """A few logins of every kind, each one alert of the right kind; `./dev bench kinds` makes many."""
    yield Check("kinds of login", lambda: bench.start(["kinds", "5"]))


PARTS: dict[str, Callable[..., Iterator[Check]]] = {
    "lint": lambda: (Check(f"lint: {name}", function) for name, function in lint.CHECKS.items()),
    "unit": unit,
    "receiver": receiver,
    "molecule": molecule,
    "kinds": kinds,
}


def run_parts(words: list[str], jobs: int = 2) -> int:
    """Run these parts (none: all of them), every check of them even after one failed; 0 if all of them hold.

    :param words: names of parts and of scenarios
    :param jobs: how many checks run at a time, 1 or 2
    """
    unknown = [word for word in words if word not in PARTS and word not in SCENARIOS]
    if unknown:
        known = f"{', '.join(PARTS)}; of molecule: {', '.join(SCENARIOS)}"
        raise Failure(f"there is no part {unknown[0]!r}. There are: {known}")
    environment.ensure()
    checks: list[Check] = []
    for word in words or PARTS:
        checks += PARTS[word]() if word in PARTS else molecule((word,))
    # What several parts need is provided once.
    return report(run_all(list({check.name: check for check in checks}.values()), jobs))


def run_all(checks: list[Check], jobs: int) -> list[Result]:
    """Run all of them, and return what came of each, in their order."""
    turns = {turn: [check for check in checks if check.turn is turn] for turn in Turn}
    if jobs == 1 or len(turns[Turn.BESIDE]) == 1:
        turns[Turn.ALONE][:0] = turns.pop(Turn.BESIDE)
    results = {check: attempt(check) for check in turns[Turn.FIRST]}
    results.update(run_two_at_a_time(turns.get(Turn.BESIDE, [])))
    results.update((check, attempt(check)) for check in turns[Turn.ALONE])
    return [results[check] for check in checks]


def run_two_at_a_time(checks: list[Check]) -> dict[Check, Result]:
    """Run them from both ends: so what needs the processor has a scenario beside it, and not its like."""
    left = deque(checks)
    results = {}

    def work(take: Callable[[], Check]) -> None:
        while True:
            try:
                check = take()
            except IndexError:
                return
            results[check] = printed_at_end(check)

    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(work, take) for take in (left.popleft, left.pop)]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            left.clear()  # Ctrl-C has reached what runs; nothing else is to start
            raise
    return results


def printed_at_end(check: Check) -> Result:
    """Run a check while another runs too, and print what it printed when it has ended."""
    path = STATE / "logs" / (re.sub(r"[^A-Za-z0-9.]+", "-", check.name) + ".log")
    path.parent.mkdir(parents=True, exist_ok=True)
    say(f"{check.name} (what it prints goes to {path.relative_to(ROOT)}, and comes here in the end)")
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
    """Run a check to its end, whatever comes of it."""
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
    run(directory / "bin" / "python", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/notifier")


def prepare() -> None:
    """Provide what Molecule needs beside itself, in whichever environment it runs."""
    environment.link_collection()
    system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git", "sshpass": "sshpass", "cc": "gcc"})
    images.ensure()


def provide_shells() -> None:
    """What the notifier makes of a command line is compared with what the shells that users have make of it."""
    system.require({name: name for name in ("bash", "dash", "zsh", "fish", "tcsh")})


def provide_browser() -> None:
    """The pages that the tests look at are shown by a real one."""
    if not any(system.find(browser) for browser in ("chromium", "google-chrome")):
        system.install("chromium")


def provide_oldest_ansible() -> Path:
    """Return the environment of the oldest Ansible; raise NotRun where no Python is here that it runs on."""
    found = pythons.find()
    python = next((found[version] for version in OLDEST_ANSIBLE_PYTHONS if version in found), None)
    if python is None:
        wanted = ", ".join(OLDEST_ANSIBLE_PYTHONS)
        raise NotRun(f"ansible-core {OLDEST_ANSIBLE} runs on Python {wanted}, none of which is here")
    directory = STATE / "oldest-ansible"  # the fleet's tests look there
    requirements = ROOT / "tests" / "oldest_ansible" / "requirements.txt"
    recipe = f"{python} {requirements.read_text()}"
    environment.make_venv(directory, python, environment.locked(requirements), recipe)
    return directory


def test_with_oldest_ansible() -> None:
    """What runs beneath Ansible, on the oldest."""
    python = provide_oldest_ansible() / "bin" / "python"
    pytest("tests/unit/plugins", "tests/unit/role", python=python)


def pytest(*directories: str, python: Path | None = None) -> None:
    """Run tests in the virtual environment, or by the interpreter of another, with the collection importable."""
    variables = environment.variables()
    variables["PYTHONPATH"] = str(environment.COLLECTIONS)
    python = python or environment.program("python")
    run(python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *directories, env=variables)


def test_scenario(name: str) -> None:
    """One Molecule scenario from nothing to nothing."""
    # Molecule frames what Ansible prints and breaks its lines at the terminal's width; a log is read without.
    variables = {**environment.variables(), "MOLECULE_COMMAND_BORDERS": "false", "ANSIBLE_FORCE_COLOR": "false"}
    run(environment.program("molecule"), "test", "-s", name, env=variables)
