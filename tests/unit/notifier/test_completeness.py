# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""completeness: a missed login stays visible for a day, and a proof without progress is a problem, reported once."""

import json
import os
import time

import parts
import pytest
from parts import needs_root
from ssh_login_notify import (
    audit,
    cli,
    completeness,
    config,
    health,
    heartbeat,
    proof,
    self_check,
    sshd_history,
    suspects,
    units,
)
from ssh_login_notify.alert import from_json
from ssh_login_notify.exit_codes import WARNING
from ssh_login_notify.problem import Problem

HOUR, DAY = 3600.0, 86400.0
NO_LOG = "this host has no log of sshd that root can read"


class Installed:
    scheduler = "systemd"
    sandbox_without = ()


@pytest.fixture
def awake(monkeypatch):
    """A host that has been up for weeks, on which systemd starts the self-check."""
    monkeypatch.setattr(time, "monotonic", lambda: 30 * DAY)
    monkeypatch.setattr(units, "Installed", Installed)
    monkeypatch.setattr(completeness, "installed_at", lambda: 0.0)


def prove(spool, **values):
    """Store a proof with these values, whose last self-check was just now."""
    now = time.time()
    found = proof.Proof(spool)
    found.kept.update(dict({"began": now - 30 * DAY, "looks": [[now, now, []]], "proven": now - 120}, **values))
    found.keep()


def problems(spool, is_accepted=False):
    found = {problem.key: problem for problem in completeness.problems(spool, is_accepted)}
    for problem in found.values():
        what, colon, mend = problem.sentence.partition(": ")
        assert what
        assert colon
        assert mend
        assert problem.severity == WARNING
    return found


pytestmark = pytest.mark.usefixtures("awake")


# -- missed logins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ago", "days"), [(200, 1), (2 * DAY + 200, 3)])
def test_a_missed_login_is_in_sight_for_a_day_after_it_was_found_however_old_it_is(spool, ago, days):
    now = time.time()
    prove(spool, missed=1, last_missed=now - ago, last_found=now - 23 * HOUR)
    (problem,) = problems(spool).values()
    assert problem.key == "missed"
    assert suspects.shown(now - ago) in problem.sentence
    assert f"`ssh-login-notify audit --since {days}d`" in problem.sentence
    assert problem.about_delivery, "its own message has told the channel"
    prove(spool, missed=1, last_missed=now - ago, last_found=now - 25 * HOUR)
    assert problems(spool) == {}


def test_what_is_well_is_no_problem(spool):
    assert problems(spool) == {}
    prove(spool)
    assert problems(spool) == {}


# -- a proof without progress -----------------------------------------------------------------------------------------


def test_a_day_in_which_nothing_could_be_compared_is_a_problem_that_can_be_accepted(spool):
    now = time.time()
    prove(spool, proven=now - 23 * HOUR, until=now - 23 * HOUR, gaps=[NO_LOG])
    assert problems(spool) == {}
    prove(spool, proven=now - 25 * HOUR, until=now - 25 * HOUR, gaps=[NO_LOG])
    problem = problems(spool)["completeness"]
    assert not problem.about_delivery
    assert problem.sentence == (
        f"since {suspects.shown(now - 25 * HOUR)} nobody can tell whether every login was reported ({NO_LOG}): have"
        " journald or a syslog daemon keep sshd's log, or set ssh_login_notify_accept: [unproven_logins]"
    )
    assert problems(spool, is_accepted=True) == {}


def test_a_reason_with_a_colon_does_not_end_what_the_headline_says(spool):
    prove(spool, proven=time.time() - 25 * HOUR, gaps=["/var/log/auth.log can't be read ([Errno 13]: no: 'x')"])
    what, _colon, mend = problems(spool)["completeness"].sentence.partition(": ")
    assert what.endswith("([Errno 13]:no:'x'))")
    assert mend.startswith("have journald")


def test_a_log_that_grows_faster_than_it_is_compared_is_a_problem(spool):
    prove(spool, proven=time.time() - 25 * HOUR, gaps=[])
    assert "grows faster" in problems(spool)["completeness"].sentence


@pytest.mark.parametrize("never", [False, True])
def test_a_self_check_that_does_not_run_can_not_report_itself_but_status_says_it(spool, monkeypatch, never):
    at = time.time() - 25 * HOUR
    if never:
        monkeypatch.setattr(completeness, "installed_at", lambda: at)
    else:
        prove(spool, looks=[[at, at, []]], proven=at - 120)
    problem = problems(spool)[completeness.SELF_CHECK]
    assert problem.about_delivery
    assert f"has not run since {suspects.shown(at)}" in problem.sentence
    assert problems(spool, is_accepted=True).keys() == {completeness.SELF_CHECK}


@pytest.mark.parametrize("why", ["just started", "nothing starts it"])
def test_a_host_that_had_no_self_check_for_a_reason_is_well(spool, monkeypatch, why):
    at = time.time() - 60 * HOUR
    prove(spool, looks=[[at, at, []]], proven=at - 120)
    if why == "just started":
        monkeypatch.setattr(time, "monotonic", lambda: 200.0)
    else:
        monkeypatch.setattr(Installed, "scheduler", "none")
    assert problems(spool) == {}


class Host:
    """A host whose self-check and comparison run as on a real one."""

    def __init__(self, root, monkeypatch, spool):
        self.spool, self.monkeypatch = spool, monkeypatch
        parts.make_well(root, monkeypatch)
        self.configuration = root / "ssh-notify.conf"
        monkeypatch.setattr(config.load, "__defaults__", (str(self.configuration),))
        self.configure()
        for name in ("_of_scheduler", "_of_units"):
            monkeypatch.setattr(health, name, lambda *_health: [])
        monkeypatch.setattr(self_check, "is_due", lambda _spool: True)
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)
        self.history = object()
        monkeypatch.setattr(sshd_history, "here", lambda _services: self.history)
        self.result = None
        monkeypatch.setattr(audit, "compare", self.compare)
        monkeypatch.setattr(cli, "Spool", lambda: spool)

    def configure(self, **values):
        self.configuration.write_text(json.dumps(dict(values, webhook_url=parts.WEBHOOK)))
        self.configuration.chmod(0o600)

    def compare(self, _spool, _history, _context, since, until, *_more):
        if isinstance(self.result, Exception):
            raise self.result
        found = audit.Result(since, until, "the journal")
        found.gaps = list(self.result or [])
        return found, {}

    def look(self, hours):
        """Let hours pass, with a self-check in each, and return the channel's messages."""
        told = []
        for _hour in range(hours):
            self.now += HOUR
            self_check.run_if_due(self.spool)
            told += [from_json(self.spool.read("outgoing", name))["notes"] for name in self.spool.names("outgoing")]
            for name in self.spool.names("outgoing"):
                self.spool.remove("outgoing", name)
        return told


class History:
    name = "the journal"


@pytest.fixture
def host(tmp_path, monkeypatch, spool, said):
    found = Host(tmp_path, monkeypatch, spool)
    found.history = History()
    return found


@needs_root
@pytest.mark.parametrize(
    ("result", "said_of_it"),
    [
        (None, NO_LOG), (["journald dropped 7 messages"], "journald dropped 7 messages"),
        (OSError(5, "Input/output error"), "Input/output error"), (ValueError("a secret"), "ValueError"),
    ],
)  # fmt: skip
def test_a_comparison_that_is_impossible_for_a_day_is_told_once_and_once_when_it_works_again(host, result, said_of_it):
    assert host.look(3) == []
    host.result = result
    if result is None:
        host.history = None
    ((sentence,),) = host.look(72)
    assert said_of_it in sentence
    assert "a secret" not in sentence
    host.result, host.history = None, History()
    assert host.look(24) == [[]], "repaired"


@needs_root
def test_a_host_without_a_log_for_which_that_is_accepted_is_told_of_never(host):
    host.configure(accept=["unproven_logins"])
    host.history = None
    assert host.look(72) == []
    assert NO_LOG in proof.line(proof.as_json(host.spool)), "`status` still says it"


@needs_root
def test_a_host_that_was_off_for_days_and_a_gap_that_ends_are_no_news(host):
    assert host.look(3) == []
    host.now += 60 * HOUR
    assert host.look(3) == []
    host.result = ["journald dropped 7 messages"]
    assert host.look(20) == []
    host.result = None
    assert host.look(30) == []


@needs_root
def test_a_clock_that_was_a_month_ahead_is_no_news(host):
    assert host.look(3) == []
    host.now += 30 * DAY
    assert host.look(2) == []
    host.now -= 30 * DAY
    assert host.look(30) == []


@needs_root
def test_status_warns(host, capsys):
    host.look(1)
    prove(host.spool, missed=1, last_missed=host.now - 100, last_found=host.now - 50)
    assert cli.main(["status"]) == WARNING
    line = capsys.readouterr().out
    assert line.startswith("WARNING: ")
    assert " that was not reported: run `ssh-login-notify audit --since 1d`" in line


@pytest.mark.parametrize(
    ("problem", "is_told"),
    [
        (Problem(WARNING, completeness.SELF_CHECK, "x", about_delivery=True), True),
        (Problem(WARNING, "completeness", "x"), True),
        (Problem(WARNING, "missed", "x", about_delivery=True), False),
        (Problem(WARNING, "ping", "x"), False),
    ],
)
@needs_root
def test_the_dead_mans_switch_stops_for_a_self_check_that_does_not_run(host, monkeypatch, problem, is_told):
    found = health.examine(host.spool)
    found.problems = [problem]
    queued = []
    monkeypatch.setattr(health, "examine", lambda _spool: found)
    monkeypatch.setattr(heartbeat, "queue", lambda _spool, sentences: queued.append(sentences))
    cli.main(["heartbeat"])
    assert queued == [["x"] if is_told else []]


# -- the daily summary ------------------------------------------------------------------------------------------------


def sentence(spool, **values):
    prove(spool, **values)
    return completeness.Day(spool).sentence()


def test_the_summary_says_that_all_are_accounted_for(spool):
    began = time.time() - 30 * DAY
    since = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(began))
    values = {"began": began, "complete_since": began}
    assert sentence(spool, accepted=0, **values) == ""
    assert sentence(spool, accepted=1, known=1, **values) == f"sshd accepted 1 login since {since}, 1 accounted for"
    said = sentence(spool, accepted=412, known=412, **values)
    assert said == f"sshd accepted 412 logins since {since}, 412 accounted for"


def test_the_summary_says_what_is_not_accounted_for(spool):
    now = time.time()
    values = {"accepted": 412, "known": 409, "missed": 1, "last_missed": now - 9, "complete_since": now - 9}
    assert sentence(spool, **values).endswith(", 409 accounted for, 1 not reported, 2 in doubt")
    values.update(complete_since=now - 5)
    assert sentence(spool, **values).endswith(", 2 in doubt, but this is not proven")


def test_logins_of_other_hosts_are_named_and_neither_accepted_here_nor_in_doubt(spool):
    """A log server has the lines of many hosts, and a host those of its containers."""
    now = time.time()
    prove(spool, accepted=9415, known=12, missed=1, until=now, doubts={"elsewhere": 9400, "ended": 2, "clock": 0})
    end = "1 not reported, 2 in doubt, besides 9400 of other hosts or containers"
    assert proof.line(proof.as_json(spool)).endswith(f" (15 logins accepted in total, 12 known, {end})")
    day = completeness.Day(spool)
    assert day.sentence().startswith("sshd accepted 15 logins since ")
    assert f", 12 accounted for, {end}" in day.sentence()
    day.close()
    prove(spool, accepted=9505, doubts={"elsewhere": 9490, "ended": 2}, known=12, missed=1)
    assert completeness.Day(spool).sentence() == "", "only others had logins"


def test_each_summary_counts_from_the_last_one(spool):
    now = time.time()
    values = {"began": now - 30 * DAY, "complete_since": now - 30 * DAY}
    prove(spool, accepted=412, known=412, until=now - DAY, **values)
    completeness.Day(spool).close()
    assert sentence(spool, accepted=412, known=412, until=now, **values) == ""
    since = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now - DAY))
    said = sentence(spool, accepted=415, known=415, until=now, **values)
    assert said == f"sshd accepted 3 logins since {since}, 3 accounted for"


def test_a_host_without_a_proof_has_none_to_tell_and_gets_none_by_it(spool):
    day = completeness.Day(spool)
    assert day.sentence() == ""
    day.close()
    assert os.listdir(spool.path("ledger")) == []
