# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`./dev test`: which nox sessions its arguments select, when each runs, and how the outcome is reported."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools import command, environment, main, testing

PROJECT = Path(__file__).resolve().parents[3]
# Stands in for nox, and records when a session ran and how it was called. mypy fails, and Python 3.7 is missing.
STAND_IN = f"""#!{sys.executable}
import json, os, sys
words_end = sys.argv.index("--")
words = sys.argv[1:words_end]
session = words[words.index("--session") + 1]
print(f"output of {{session}}", flush=True)
if "--report" in words:
    outcome = "skipped" if session == "unit-3.7" else "success"
    with open(words[words.index("--report") + 1], "w") as file:
        json.dump({{"sessions": [{{"result": outcome}}]}}, file)
run = {{"session": session, "words": sys.argv[words_end + 1:],
       "marks": os.environ.get("PYTEST_ADDOPTS", ""), "one": os.environ.get("LAB_ONE_PLATFORM", "")}}
with open(os.environ["RUNS"], "a") as file:
    file.write(json.dumps(run) + "\\n")
sys.exit(session == "mypy")
"""


def session(name, tag="", scenario=None):
    """Return nox's description of a session."""
    of = {"scenario": scenario} if scenario else {}
    return {"session": name, "name": name.partition("(")[0], "tags": [tag], "call_spec": of}


SESSIONS = [
    session("ruff", "lint"),
    session("mypy", "lint"),
    session("unit-3.6", "unit"),
    session("unit-3.7", "unit"),
    session("receiver", "receiver"),
    *(session(f"molecule({name})", "molecule", name) for name in ("fleet", "default", "outage")),
    session("enforcing", "enforcing"),
]


@pytest.fixture
def dev(monkeypatch, tmp_path):
    """Run ./dev. Return its exit code, and the sessions that it ran, in the order in which they ended."""
    runs = tmp_path / "runs"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nox").write_text(STAND_IN)
    (tmp_path / "bin" / "nox").chmod(0o755)
    monkeypatch.chdir(".")  # main() changes the directory, and this restores it
    monkeypatch.setenv("RUNS", str(runs))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setattr(environment, "NOX", tmp_path)
    monkeypatch.setattr(environment, "ensure_nox", lambda: None)
    monkeypatch.setattr(environment, "ensure", lambda *sessions: None)
    monkeypatch.setattr(testing, "STATE", tmp_path)
    monkeypatch.setattr(testing, "ROOT", tmp_path)
    monkeypatch.setattr(testing, "known_sessions", lambda: SESSIONS)

    def run(*words):
        code = main.main([*words])
        return code, [json.loads(line) for line in runs.read_text().splitlines()] if runs.exists() else []

    return run


def test_what_follows_two_dashes_goes_to_pytest(dev):
    code, runs = dev("test", "unit", "--", "tests/unit/notifier/test_spool.py", "-k", "link and not --")
    assert code == 0
    (run,) = runs
    assert run["session"] == "pytest"
    assert run["words"] == ["tests/unit/notifier/test_spool.py", "-k", "link and not --"]


@pytest.mark.parametrize(
    ("word", "name"), [("unit-3.6", "unit-3.6"), ("fleet", "molecule(fleet)"), ("outage", "molecule(outage)")]
)
def test_or_to_one_session(dev, word, name):
    code, (run,) = dev("test", word, "--", "converge")
    assert (code, run["session"], run["words"]) == (0, name, ["converge"])


@pytest.mark.parametrize("words", [[], ["lint"], ["unit", "receiver"], ["quick"]])
def test_several_sessions_take_no_arguments(dev, capsys, words):
    assert dev("test", *words, "--", "-k", "name") == (1, [])
    assert "takes arguments behind --" in capsys.readouterr().out


def test_a_word_that_means_nothing_is_refused(dev, capsys):
    assert dev("test", "lint", "fleeet") == (1, [])
    assert "there is no part 'fleeet'. Choose from: lint, unit, receiver, molecule, quick" in capsys.readouterr().out


def test_the_table_tells_each_outcome(dev, capsys):
    code, _runs = dev("test", "lint", "unit")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert [(name, *words) for name, _seconds, _s, *words in lines[-6:-2]] == [
        ("ruff", "ok"), ("mypy", "FAILED"), ("unit-3.6", "ok"), ("unit-3.7", "not", "run", "here"),
    ]  # fmt: skip
    assert lines[-1] == ["checks:", "2", "passed,", "1", "failed,", "1", "skipped"]


def test_what_cannot_run_is_no_failure_beside_what_passes(dev):
    assert dev("test", "unit")[0] == 0
    assert dev("test", "unit-3.7")[0] == 1


def test_every_part_but_enforcing_runs_once(dev):
    _code, runs = dev("test")
    # One of them in two parts, the second of which has the timed tests.
    assert sorted(run["session"] for run in runs) == sorted(
        [*(item["session"] for item in SESSIONS if item["tags"] != ["enforcing"]), "molecule(outage)"]
    )


def test_one_that_works_runs_beside_those_that_wait_and_what_is_timed_alone(dev, monkeypatch):
    running, beside, all_worked = [], {}, threading.Event()
    works = [item["session"] for item in SESSIONS if item["tags"][0] in ("lint", "unit", "receiver")]

    def attempt(check, log=None):
        running.append(check.name)
        if check.turn is testing.Turn.WORKS:
            time.sleep(0.05)
        elif check.turn is testing.Turn.WAITS:
            assert all_worked.wait(timeout=60), "what works has waited for what waits"
        beside[check.name] = [name for name in running if name != check.name]
        running.remove(check.name)
        if set(works) <= beside.keys():
            all_worked.set()
        return testing.Result(check.name, 0, True)

    monkeypatch.setattr(testing, "attempt", attempt)
    assert dev("test", "--jobs", "3")[0] == 0
    assert list(beside)[-1] == "molecule(outage), timed"
    assert beside["molecule(outage), timed"] == []
    assert [name for name in works if not set(works).isdisjoint(beside[name])] == []
    assert any(beside[name] for name in works), "nothing ran beside it"


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_the_timed_tests_of_a_scenario_are_run_apart(dev, jobs):
    _code, runs = dev("test", "--jobs", jobs, "outage")
    assert [(run["words"], run["marks"].strip()) for run in runs] == [
        (["destroy", "converge", "verify"], "-m 'not timed'"),
        (["verify", "destroy"], "-m 'timed'"),
    ]


def test_quick_takes_one_platform(dev):
    _code, runs = dev("test", "quick")
    assert {(run["session"], run["one"]) for run in runs} == {
        (name, "true") for name in ("ruff", "mypy", "unit-3.6", "molecule(default)")
    }


def test_with_one_job_the_output_comes_as_it_is_written(dev, capfd):
    dev("test", "--jobs", "1", "unit", "receiver")
    lines = capfd.readouterr().out.splitlines()
    names = ("unit-3.6", "unit-3.7", "receiver")
    assert [line for line in lines if line.startswith("output")] == [f"output of {name}" for name in names]
    assert [line for line in lines if "comes here at the end" in line] == []


def test_it_starts_without_any_package():
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-S", "-B", PROJECT / "dev", "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "./dev demo" in done.stdout


@pytest.fixture(scope="module")
def real():
    """The sessions of noxfile.py."""
    environment.ensure_nox()
    return testing.known_sessions()


def test_every_scenario_is_a_session(real):
    scenarios = [item["call_spec"].get("scenario") for item in real]
    assert sorted(filter(None, scenarios)) == testing.SCENARIOS
    assert set(testing.TIMED) <= set(testing.SCENARIOS)


def test_every_part_has_sessions(real):
    names = {item["session"] for item in real}
    assert all(testing.checks_of(part, real) for part in (*testing.PARTS, "enforcing"))
    assert set(testing.QUICK) <= names


def test_every_python_that_the_notifier_runs_on_has_a_session(real):
    pythons = [item["python"] for item in real if item["name"] == "unit"]
    assert pythons == [f"3.{minor}" for minor in range(6, 14)]


def test_what_is_exclusive_is_done_by_one_process_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "STATE", tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from tools import command; command.STATE = Path(sys.argv[1]);\n"
        "with command.exclusive('x'): print('in', flush=True); time.sleep(0.3); (command.STATE / 'done').touch()"
    )
    other = subprocess.Popen([sys.executable, "-B", "-c", program, tmp_path], cwd=PROJECT, stdout=subprocess.PIPE)  # noqa: S603
    with other:
        assert other.stdout
        assert other.stdout.readline() == b"in\n"
        with command.exclusive("x"):
            assert (tmp_path / "done").exists()
