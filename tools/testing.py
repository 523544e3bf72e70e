# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the checks of noxfile.py, several at a time, and print a table of their results and durations at the end.

Most scenarios spend most of their time waiting, so several checks run at a time. At most one of them is a check that
keeps a processor busy, while others are left. nox's own --parallel can't make that distinction. The output of each
check is printed in one piece when it has ended. Tests with the marker `timed` run last and alone, on the servers that
the other tests of their scenario have left.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import TextIO

from . import environment
from .command import ROOT, STATE, Failure, output, say

# Tags in noxfile.py. `./dev test` runs all of these. `enforcing` takes too long for that.
PARTS = ("lint", "unit", "receiver", "molecule")
ENFORCING = "enforcing"
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
# What a change breaks most often, besides lint: for the minutes between two edits. The scenarios run on one platform.
QUICK = ("unit-3.6", "unit-3.9", "unit-3.13", "shells", "plugins(usual)", "molecule(default)", "molecule(safety_valve)")
# Scenarios with tests that are marked `timed` (see pyproject.toml).
TIMED = ("outage", "storm")
# For two processors. Four checks at a time keep them no busier, but make tests wait longer for servers.
JOBS = 3

PRINTING = Lock()


class Turn(Enum):
    """When a check runs, and what can run at the same time."""

    WORKS = 1  # keeps a processor busy: one at a time, next to those that wait
    WAITS = 2  # waits most of its time: several at a time
    ALONE = 3  # at the end, with nothing else running


@dataclass(eq=False)
class Check:
    """One line of the table: a nox session, the words after its --, and its environment variables."""

    name: str
    session: str
    turn: Turn = Turn.WORKS
    words: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """The outcome of a check. held: whether it passed, or None if it could not be run here."""

    name: str
    seconds: float
    held: bool | None


def known_sessions() -> list[dict]:
    """Return nox's description of each check: session (its name), tags, call_spec (its parameters)."""
    command = environment.nox("--list", "--json", "--tags", *PARTS, ENFORCING)
    return [session for session in json.loads(output(*command)) if session["tags"]]


def checks_of(word: str, sessions: list[dict]) -> list[Check]:
    """Return the checks for a word of `./dev test`: a part, `quick`, a scenario or a session."""
    checks = []
    for session in sessions:
        name, scenario = session["session"], session["call_spec"].get("scenario")
        if word == "quick":
            if "lint" in session["tags"] or name in QUICK:
                turn = Turn.WAITS if scenario else Turn.WORKS
                checks.append(Check(name, name, turn, variables={"LAB_ONE_PLATFORM": "true"}))
        elif word not in (name, session["name"], scenario, *session["tags"]):
            continue
        elif scenario in TIMED:
            options = os.environ.get("PYTEST_ADDOPTS", "")
            untimed, timed = ({"PYTEST_ADDOPTS": f"{options} -m '{mark}'"} for mark in ("not timed", "timed"))
            checks.append(Check(name, name, Turn.WAITS, ["destroy", "converge", "verify"], untimed))
            checks.append(Check(f"{name}, timed", name, Turn.ALONE, ["verify", "destroy"], timed))
        else:
            checks.append(Check(name, name, Turn.WAITS if scenario or word == ENFORCING else Turn.WORKS))
    if not checks:
        choice = ", ".join((*PARTS, "quick", ENFORCING, *SCENARIOS))
        raise Failure(f"there is no part {word!r}. Choose from: {choice}; or a session of noxfile.py")
    return checks


def run_parts(words: list[str], jobs: int = JOBS) -> int:
    """Run every check of these parts (default: all parts), even after one has failed. Return 0 if all passed.

    :param words: parts, scenarios, nox sessions, `quick`, or `enforcing`
    :param jobs: how many checks run at a time
    """
    environment.ensure_nox()
    sessions = known_sessions()
    checks: dict[str, Check] = {}
    for word in words or PARTS:
        for check in checks_of(word, sessions):
            checks.setdefault(check.name, check)
    # Environments that several checks need are made once, before the checks start.
    needs_ansibles = any(name.startswith(("plugins", "molecule")) for name in checks)
    environment.ensure(*(("oldest-ansible", "newest-ansible") if needs_ansibles else ()))
    return report(run_all(list(checks.values()), jobs))


def run_selected(parts: list[str], arguments: list[str]) -> int:
    """Run one session with these arguments. Return 0 if it passed.

    :param parts: one session, a scenario, or `unit`: any unit tests, with the Python of .dev/venv
    :param arguments: arguments of pytest, or commands of Molecule
    """
    environment.ensure_nox()
    sessions = {"pytest"} if parts == ["unit"] else set()
    if len(parts) == 1 and not sessions:
        sessions = {check.session for check in checks_of(parts[0], known_sessions())}
    if len(sessions) != 1:
        raise Failure("only `./dev test unit`, or one scenario or session of noxfile.py, takes arguments behind --")
    return subprocess.run(environment.nox("--session", *sessions, words=arguments), check=False).returncode


def run_all(checks: list[Check], jobs: int) -> list[Result]:
    """Run all checks, and return their outcomes in the same order."""
    turns = {turn: [check for check in checks if check.turn is turn] for turn in Turn}
    beside = turns[Turn.WAITS] + turns[Turn.WORKS]
    if jobs == 1 or len(beside) == 1:
        results = {check: attempt(check) for check in beside}
    else:
        results = run_side_by_side(turns[Turn.WORKS], turns[Turn.WAITS], jobs)
    results.update((check, attempt(check)) for check in turns[Turn.ALONE])
    return [results[check] for check in checks]


def run_side_by_side(works: list[Check], waits: list[Check], jobs: int) -> dict[Check, Result]:
    """Run this many checks at a time, only one of them from `works` until nothing else is left."""
    working, waiting = deque(works), deque(waits)
    results: dict[Check, Result] = {}

    def work(mine: deque[Check], others: deque[Check]) -> None:
        while mine or others:
            try:
                check = (mine or others).popleft()
            except IndexError:
                continue  # another worker was faster
            results[check] = printed_at_end(check)

    with ThreadPoolExecutor(jobs) as pool:
        workers = [pool.submit(work, working, waiting)]
        workers += [pool.submit(work, waiting, working) for _job in range(jobs - 1)]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            working.clear()  # Ctrl-C has reached the running checks; start no others
            waiting.clear()
            raise
    return results


def log_of(check: Check, suffix: str) -> Path:
    """Return the path of a file about a check's last run, and create its directory."""
    path = STATE / "logs" / (re.sub(r"[^A-Za-z0-9.]+", "-", check.name).strip("-") + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def printed_at_end(check: Check) -> Result:
    """Run a check next to others, and print its output when it has ended."""
    path = log_of(check, ".log")
    with path.open("w+", errors="replace") as log:
        say(f"{check.name} (its output goes to {path.relative_to(ROOT)}, and comes here at the end)")
        result = attempt(check, log)
        log.seek(0)
        with PRINTING:
            shutil.copyfileobj(log, sys.stdout)
            sys.stdout.flush()
    return result


def attempt(check: Check, log: TextIO | None = None) -> Result:
    """Run a check to its end, whatever its outcome, with its output in a log or on the terminal."""
    told = log_of(check, ".json")
    told.unlink(missing_ok=True)
    command = environment.nox("--no-dependencies", "--report", told, "--session", check.session, words=check.words)
    start = time.monotonic()
    code = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT if log else None, check=False,
        env={**os.environ, **check.variables},
    ).returncode  # fmt: skip
    held: bool | None = code == 0
    # nox reports a skipped session as a success.
    if held and json.loads(told.read_text())["sessions"][0]["result"] == "skipped":
        held = None
    return Result(check.name, time.monotonic() - start, held)


def report(results: list[Result]) -> int:
    """Print the table. Return 1 if a check failed, or if none could be run."""
    width = max(len(result.name) for result in results)
    print()
    for result in results:
        word = {True: "ok", False: "FAILED", None: "not run here"}[result.held]
        print(f"{result.name:{width}}  {result.seconds:7.1f} s  {word}")
    failed = sum(result.held is False for result in results)
    skipped = sum(result.held is None for result in results)
    passed = len(results) - failed - skipped
    print(f"\nchecks: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0
