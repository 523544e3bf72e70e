# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""audit: a login that is in the log and missed by the notifier is found, with its reason, and nothing else is.

`Server` (audited.py) writes a host's log and the notifier's ledger after logins of every kind.
"""

import os
import random
import time

import parts
import pytest
from audited import (
    ADA,
    BY_HAND,
    CERTIFICATE,
    ISO,
    JOURNAL,
    KEY,
    NOT_RUN,
    OTHER,
    PROGRAM,
    START,
    TRADITIONAL,
    Clock,
    _zone,
    any_server,
    reasons,
    server,
)  # fmt: skip
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify import (
    alert,
    audit,
    known,
    ledger,
    outlets,
    overflow,
    proof,
    sshd_lines,
    sshd_log,
    suspects,
)  # fmt: skip
from ssh_login_notify.alert import TEST_SERVICE

__all__ = ["_zone", "any_server", "server"]

# -- what is known ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sshd", "sshd-session"])
def test_every_login_that_was_reported_is_known(any_server, name):
    any_server.name = name
    for number in range(20):
        any_server.login(address=[ADA, "2001:db8::17", "fe80::1%eth0"][number % 3], key=KEY if number % 2 else "")
    result = any_server.audit()
    assert (result.accepted, result.fates[ledger.REPORTED], result.missed_count) == (20, 20, 0)
    assert result.gaps == []
    assert result.unlogged == 0


@pytest.mark.parametrize("end", [*ledger.OF_SENDER, ""])
def test_what_became_of_a_login_is_said(server, end):
    server.login(end=end)
    result = server.audit()
    assert result.fates[end or known.UNSETTLED] == 1
    assert result.known == result.accepted == 1


def test_what_waits_and_what_was_refused_is_said(server):
    for directory in ("outgoing", "failed"):
        server.spool.write(directory, server.login(end=""), b"{}", 0o640)
    overflow.keep(server.login(end=""), b"{}")
    result = server.audit()
    assert result.fates[known.WAITING] == 2
    assert result.fates[known.FAILED] == 1


def test_a_login_of_which_there_is_only_the_capture_waits(server):
    server.login(known=False)
    name = f"{START:017.6f}-9"
    raw = f"capture=1\0parent={server.pid}\0parent_stat=\0\0PAM_USER=ada\0PAM_TTY=ssh\0".encode()
    server.spool.write("incoming", name, raw, 0o600)
    assert server.audit().fates[known.WAITING] == 1


def test_a_login_of_an_old_sshd_without_a_port_and_one_over_a_socket_are_known(server):
    server.login(ledger_port=0)
    server.login(address="UNKNOWN", port=65535, ledger_port=0)
    assert server.audit().known == 2


def test_one_report_stands_for_one_login(server):
    server.login()
    accepted = next(message for _at, _pid, message, _fields in server.lines if message.startswith("Accepted"))
    server.says(server.pid, accepted, entry=BY_HAND)
    assert server.audit().missed_count == 1


def test_the_hour_that_the_autumn_has_twice_raises_no_alarm(server):
    server.kind = TRADITIONAL
    server.lines, server.now = [], 1761436800.0  # 2025-10-26 02:00 CEST; an hour later it is 02:00 CET
    for _number in range(130):
        server.login()
        server.now += 60
    result = server.audit(since=1761436000.0, began=0.0)
    assert (result.accepted, result.missed_count, result.known) == (130, 0, 130)


def test_the_end_of_a_year_in_a_log_without_years(server):
    server.kind = TRADITIONAL
    server.lines, server.now = [], 1767221900.0  # 2025-12-31 23:58 CET
    for _number in range(10):
        server.login()
        server.now += 60
    assert server.audit(since=1767221000.0, began=0.0).known == 10


def test_a_line_of_the_new_year_in_a_file_that_was_listed_in_the_old_one():
    at = 1767221999.0  # 2025-12-31 23:59:59 CET
    assert sshd_log.stamp("Jan  1 00:00:02", at) == at + 3


# -- what is missed ---------------------------------------------------------------------------------------------------


def test_a_missed_login_is_found_among_others_with_its_line(any_server):
    for _number in range(5):
        any_server.login()
    any_server.login(user="mallory", known=False)
    any_server.login()
    result = any_server.audit()
    assert (result.accepted, result.known, result.missed_count) == (7, 6, 1)
    assert "Accepted publickey for mallory from " + ADA in result.missed[0].line


@pytest.mark.parametrize(
    ("code", "why"),
    [(2, "missing"), (13, "not executable"), (7, "too long"), (8, "no interpreter"), (5, "Input/output")],
)
def test_pam_says_why_it_could_not_run_the_program(any_server, code, why):
    any_server.login(known=False, session=False)
    any_server.says(any_server.pid, NOT_RUN + str(code))
    assert why in reasons(any_server.audit())[0]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("exit code 1", "failed with exit code 1, or a security module such as fapolicyd forbade it"),
        ("exit code 120", "failed with exit code 120"), ("exit code 127", "failed with exit code 127"),
        ("caught signal 9", "was killed by signal 9"), ("caught signal 6 (core dumped)", "was killed by signal 6"),
    ],
)  # fmt: skip
def test_a_program_that_ran_and_failed_is_not_said_to_have_failed_to_start(any_server, how, why):
    any_server.login(known=False, session=False)
    any_server.says(any_server.pid, NOT_RUN.replace("exit code ", how))
    (reason,) = reasons(any_server.audit())
    assert reason == f"{PROGRAM} or its Python {why}"


def test_a_line_that_was_missing_is_told_from_an_sshd_without_pam(any_server):
    any_server.login(known=False)
    any_server.login(known=False, session=False, entry=BY_HAND)
    lacks_line, lacks_pam = reasons(any_server.audit())
    assert "line was missing" in lacks_line
    assert "UsePAM no" in lacks_pam


def test_an_sshd_that_is_accepted_as_unreported_raises_no_alarm(any_server):
    any_server.login(known=False, session=False, entry=BY_HAND)
    any_server.login(known=False, session=False)
    any_server.says(any_server.pid, "pam_unix(sshd-2:session): session opened for user ada(uid=1000) by (uid=0)")
    any_server.login(known=False)
    any_server.login(known=False, session=False)
    any_server.says(any_server.pid, NOT_RUN + "13")
    result = any_server.audit(accepts_unreported=True)
    assert result.doubts["accepted"] == 2
    assert ["line was missing" in reason for reason in reasons(result)] == [True, False]
    assert result.gaps == []
    assert any_server.audit().missed_count == 4


def test_the_configuration_says_whether_an_sshd_is_accepted_as_unreported(server, monkeypatch):
    server.write()
    assert not proof.Proof(server.spool).context().accepts_unreported
    accepting = type("Configuration", (), {"pam_services": ["sshd"], "accept": ["unreported_sshd"]})
    monkeypatch.setattr(proof.config, "load", accepting)
    assert proof.Proof(server.spool).context().accepts_unreported


def test_another_pam_service_is_named(server):
    server.login(known=False, session=False)
    server.says(server.pid, "pam_unix(sshd-2:session): session opened for user ada(uid=1000) by (uid=0)")
    assert "the PAM service sshd-2" in reasons(server.audit())[0]


def test_what_the_self_check_found_then_is_said(server):
    server.login(known=False)
    looks = [[START - 900, START - 300, []], [START + 240, START + 540, ["the PAM line is gone"]]]
    assert "found then: the PAM line is gone" in reasons(server.audit(looks=looks))[0]
    looks = [[START - 900, START - 300, []], [START + 2400, START + 2500, []]]
    assert "did not run between" in reasons(server.audit(looks=looks))[0]


def test_no_user_name_and_no_key_id_makes_a_missed_login_look_known(server):
    server.login()
    port = server.lines[-4][2].rpartition(" port ")[2].partition(" ")[0]
    claim = f"x from {ADA} port {port} ssh2"
    for user, key in ((claim, KEY), ("ada", CERTIFICATE.format(claim)), (claim + ": " + KEY, "")):
        server.login(user=user, key=key, address=OTHER, known=False)
    assert server.audit().missed_count == 3


@given(user=st.text(st.characters(blacklist_categories=("Cs",)), max_size=60))
def test_every_accepted_line_has_its_origin_whatever_the_user_is_called(user):
    found = sshd_lines.accepted(f"Accepted password for {user} from {ADA} port 45006 ssh2")
    assert (ADA, 45006) in found.origins


# -- what is not an alarm ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last", ["Connection closed by {a} port 5 [preauth]", "Connection reset by {a} port 5 [preauth]", "fatal: mm_x"]
)
def test_a_connection_that_ended_before_its_session_is_no_alarm(any_server, last):
    any_server.login(known=False, session=False)
    any_server.says(any_server.pid, last.format(a=ADA))
    result = any_server.audit()
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


def test_logins_before_the_ledger_and_during_an_upgrade_are_no_alarm(server):
    server.login(known=False)
    assert server.audit(began=START + 60).doubts["before"] == 1
    assert server.audit(installs=[START + 60]).doubts["upgrade"] == 1
    assert server.audit(installs=[START - 3600]).missed_count == 1


def test_a_login_whose_process_journald_did_not_see_is_no_alarm(server):
    server.says(7, f"Accepted publickey for ada from {ADA} port 5 ssh2", entry={"_EXE": None})
    result = server.audit()
    assert (result.missed_count, result.doubts["unproven"]) == (0, 1)


def test_where_journald_can_not_read_the_program_its_name_is_enough(server):
    server.says(7, f"Accepted publickey for ada from {ADA} port 5 ssh2", entry={"_EXE": None, "_COMM": "sshd-session"})
    assert server.audit().missed_count == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"_UID": "1000"},
        {"_EXE": None, "_COMM": "logger"},
        {"_EXE": "/usr/bin/logger"},
        {"_TRANSPORT": "journal"},
        {"_TRANSPORT": "stdout"},
    ],
)
def test_lines_of_others_count_for_nothing(server, forged):
    server.says(7, f"Accepted publickey for ada from {ADA} port 5 ssh2", entry=forged)
    assert server.audit().accepted == 0


def test_a_login_just_before_the_host_went_down_is_no_alarm(server):
    server.login(known=False, session=False)
    server.now, server.boot = server.now + 40, "boot-2"
    server.says(1, "Server listening on 0.0.0.0 port 22.", booted=server.now - 5)
    result = server.audit()
    assert (result.missed_count, result.doubts["restart"]) == (0, 1)


def test_a_clock_that_was_set_is_no_alarm(server):
    server.login(late=4000)
    result = server.audit()
    assert (result.missed_count, result.doubts["clock"]) == (0, 1)


def test_a_day_that_the_ledger_could_not_hold_is_no_alarm(server, monkeypatch):
    server.login()
    monkeypatch.setattr(ledger, "MOST_DAY_BYTES", 1)
    server.login(known=False)
    assert server.audit().doubts["full"] == 1


def test_the_log_that_is_missing_is_said_and_not_guessed(server):
    server.lines = []
    server.now += 7200
    server.login()
    assert "begins at" in server.audit().gaps[0]


def test_lines_that_journald_dropped_are_said(server):
    server.login()
    fields = {"_TRANSPORT": "driver", "MESSAGE_ID": sshd_log.DROPPED_ID, "_EXE": "/x/systemd-journald"}
    server.says(2, "Suppressed 12 messages from ssh.service", entry=fields)
    for other in ("nginx.service", "ssh-login-notify.service"):
        server.says(2, f"Suppressed 99 messages from {other}", entry=fields)
    (gap,) = server.audit().gaps
    assert "dropped 12 messages" in gap


def test_a_report_without_a_line_is_a_number_of_its_own(server):
    server.login()
    server.lines = server.lines[:1]
    result = server.audit()
    assert (result.accepted, result.unlogged, result.missed_count) == (0, 1, 0)
    ledger.note(server.spool, parts.alert(id=f"{START:017.6f}-1", port=5, service=TEST_SERVICE), 7)
    assert server.audit().unlogged == 1, "a test has no line"


# -- a month ----------------------------------------------------------------------------------------------------------


# The lines of a real sshd (audited.py): with a session that the notifier sees, and without one.
SESSIONS = (
    "tty", "sftp", "tunnel", "stdio-forward", "master", "password", "keyboard", "root", "killed-client",
    "hangup-fin-password", "hangup-fin-account", "session-slow-hangup", "password-expired", "maxlogins",
    "session-denied", "restart",
)  # fmt: skip
NO_SESSIONS = (
    "scan", "wrong-password", "nologin", "account-expired", "hangup-rst-keyboard-interactive",
    "hangup-fin-keyboard-interactive", "session-requisite-first",
)  # fmt: skip
# Only `Accepted`. The journal alone shows which sshd wrote it.
RESET = ("hangup-rst-password", "hangup-rst-account")
IMAGES = {JOURNAL: "debian13", ISO: "debian12", TRADITIONAL: "debian11"}


@pytest.mark.parametrize("image", ["debian11", "debian12", "debian13"])
@pytest.mark.parametrize("kind", [JOURNAL, ISO])
def test_each_case_of_a_real_sshd_is_what_it_is(server, image, kind):
    server.kind = kind
    for case in (*SESSIONS, "command"):
        server.replay(case, image)
    accepted = server.audit().accepted
    assert server.audit().known == accepted > 16
    for case in (*NO_SESSIONS, *(RESET if kind == JOURNAL else ())):
        server.replay(case, image, known=False)
    result = server.audit()
    assert (result.known, result.missed_count) == (accepted, 0)
    assert result.doubts["ended"] == (3 if kind == JOURNAL else 1)
    for case in ("command", "sftp", "tunnel", "no-pam", "no-pam-killed"):
        server.replay(case, image, known=False)
    found = reasons(server.audit())
    assert ["line was missing" in reason for reason in found] == [True] * 3 + [False] * 4
    assert ["UsePAM no" in reason for reason in found] == [False] * 3 + [True] * 4
    assert result.gaps == []
    assert result.unlogged == 0


@pytest.mark.parametrize("kind", [JOURNAL, ISO, TRADITIONAL])
def test_a_month_of_a_busy_host_has_no_false_alarm_and_each_fault_is_found(server, kind):
    """Ansible's runs, people, scans, restarts, hang-ups, a power failure, a clock that is set, and missed logins."""
    chance = random.Random(3)  # noqa: S311 - not a secret
    server.kind, image, faults, boots, ended = kind, IMAGES[kind], [], [], 0
    server.lines = [(START - 86400, 1, "Server listening on :: port 22.", {"boot": "boot-1"})]
    for day in range(30):
        for hour in range(24):
            server.now = START + day * 86400 + hour * 3600 + chance.random()
            server.pid = server.pid % 32000
            for _number in range(chance.choice((0, 1, 9))):  # Ansible
                server.replay("command", image, user="ansible")
            user = chance.choice(("ada", f"x from {OTHER} port 5 ssh2", "DOM\\ada b"))
            server.login(user=user, late=chance.choice((0.004, 0.3, 100)))
            if kind == JOURNAL:
                server.replay(chance.choice(RESET), image, known=False)
                ended += 1
            for case in (*chance.sample(SESSIONS, 2), *chance.sample(NO_SESSIONS, 1)):
                server.replay(case, image, known=case in SESSIONS)
                ended += case == "session-requisite-first"
            server.now += 100
            if chance.random() < 0.02:
                how = chance.choice(("command", "sftp", "no-pam", "no-pam-killed"))
                faults += [f"missed{len(faults)}"] * (3 if how == "no-pam" else 1)
                server.replay(how, image, known=False, user=faults[-1])
                server.now += 100
        if day == 10:  # a power failure: the last login is lost
            server.login(known=False, session=False, entry=BY_HAND)
            server.boot = "boot-2"
            server.says(1, "Server listening on :: port 22.", server.now + 50, booted=server.now + 40)
            boots.append(server.now + 40)
        if day == 20:  # the clock is set back, and corrected
            server.now -= 5000
            server.replay("sftp", image)
            server.replay("hangup-fin-password", image)
    result = server.audit(boots=boots if kind != JOURNAL else [])
    assert len(faults) > 5
    assert [missed.line.split(" for ")[1].split(" ")[0] for missed in result.missed] == faults
    assert result.doubts == dict(dict.fromkeys(result.doubts, 0), ended=ended, restart=1)
    assert result.known + ended + 1 + len(faults) == result.accepted
    assert result.unlogged == 0
    assert result.gaps == []


# -- day by day -------------------------------------------------------------------------------------------------------


def messages(spool):
    found = [alert.from_json(spool.read("outgoing", name)) for name in spool.names("outgoing")]
    for name in spool.names("outgoing"):
        spool.remove("outgoing", name)
    assert {notice["about"] for notice in found} <= {alert.MISSED}
    assert all(alert.missed_count(notice) == 1 for notice in found)
    return [notice["notes"] for notice in found]


@pytest.mark.parametrize("kind", [JOURNAL, ISO])
def test_each_look_reads_on_and_tells_a_missed_login_once(server, kind, monkeypatch, said):
    server.kind = kind
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    assert proof.line(proof.as_json(server.spool)).startswith("complete since")
    told = []
    for number in range(12):
        for _number in range(3):
            server.login()
        if number in (4, 5):
            server.login(user=f"missed{number}", known=False)
        server.now += 290
        clock.at = server.now
        server.write()
        proof.update(server.spool, [])
        told += messages(server.spool)
    assert [note.count("missed") for notes in told for note in notes] == [1, 1]
    assert "missed4" in told[0][0]
    assert "missed5" in told[1][0]
    kept = proof.as_json(server.spool)
    assert kept["missed"] == 2
    assert kept["accepted"] == 38
    assert kept["known"] == 36
    assert set(kept["doubts"].values()) == {0}
    assert kept["unlogged"] == 0
    assert kept["gaps"] == []
    assert START + 1200 < kept["complete_since"] < START + 2400


@pytest.mark.parametrize("stop", range(1, 12))
def test_an_audit_that_runs_out_of_time_goes_on_where_it_was_and_finds_the_same(server, stop):
    """Wherever it stops, it waits for a suspect's later lines."""
    server.kind = ISO
    server.login()
    server.login(known=False, session=False)
    server.says(server.pid, f"Connection closed by {ADA} port 5 [preauth]")
    server.login()
    server.login(known=False)
    server.login()
    whole = server.audit()
    assert (whole.known, whole.doubts["ended"], whole.missed_count) == (3, 1, 1)
    until = server.now + 3600
    found, cursor, tail, since = [], "", None, START - 10
    for left in (stop, stop, stop, 1000):
        history = server.write()
        cut(history, left)
        context = suspects.Context(began=START - 86400)
        result, tail = audit.compare(server.spool, history, context, since, until, time.monotonic() + 60, cursor, tail)
        found.append(result)
        cursor, since = result.cursor, result.until
    assert sum(result.accepted for result in found) == whole.accepted
    assert sum(result.known for result in found) == whole.known
    assert sum(result.doubts["ended"] for result in found) == 1
    assert sum(result.missed_count for result in found) == 1
    if stop > 6:  # otherwise the reason is in lines that were not read
        assert "line was missing" in next(reason for result in found for reason in reasons(result))


def cut(history, most):
    """Make a history run out of time after this many lines."""
    whole = history.entries

    def entries(*arguments):
        for count, entry in enumerate(whole(*arguments)):
            if count == most:
                history.is_whole = False
                return
            yield entry

    history.entries = entries


def test_a_kill_before_the_message_tells_it_again(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    server.login(known=False)
    clock.at = server.now + 300
    server.write()
    with monkeypatch.context() as killed:
        killed.setattr(overflow, "queue", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            proof.update(server.spool, [])
    clock.at += 300
    proof.update(server.spool, [])
    assert len(messages(server.spool)) == 1
    clock.at += 300
    proof.update(server.spool, [])
    assert messages(server.spool) == []


def test_a_damaged_account_begins_anew_and_says_so(server, said):
    server.write()
    server.spool.write("ledger", "audit.json", b"{", 0o600)
    proof.update(server.spool, [])
    assert any("starts again" in sentence for _priority, sentence in said)


def test_a_host_without_a_log_says_so(server, monkeypatch):
    server.write()
    monkeypatch.setattr(sshd_log, "JOURNALCTL", ())
    proof.update(server.spool, [])
    assert "no log of sshd" in proof.line(proof.as_json(server.spool))
    assert proof.asked(server.spool, 0.0) is None


def test_people_read_how_many_were_accepted_and_reported(server):
    for _number in range(3):
        server.login()
    assert audit.lines(server.audit())[0] == "3 logins accepted, 3 reported."


def test_status_does_not_call_the_numbers_of_all_time_those_since_the_last_missed_login():
    now = time.time()
    found = {"gaps": [], "until": now, "complete_since": now, "accepted": 413, "known": 412, "missed": 1, "doubts": {}}
    assert proof.line(found).endswith(" (413 logins accepted in total, 412 known, 1 not reported)")
    assert proof.line(dict(found, accepted=1, known=1, missed=0)).endswith(" (1 login accepted in total, 1 known)")


def test_a_clock_that_was_set_back_costs_nothing_that_was_not_read(server, monkeypatch):
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
    clock = Clock(monkeypatch, START + 8000)

    def look(at):
        clock.at = at
        server.write()
        proof.update(server.spool, [])
        return proof.as_json(server.spool)

    look(START + 8000)
    server.now = START + 9000
    server.login()
    look(START + 9200)
    server.login()
    server.login(user="mallory", known=False)
    server.now = START - 200
    server.login()
    found = look(START + 100)
    assert proof.line(found).startswith("complete since")
    (notes,) = messages(server.spool)
    assert "mallory" in notes[0]
    server.now = START + 200
    server.login()
    found = look(START + 400)
    assert (found["accepted"], found["known"], found["missed"], found["gaps"]) == (5, 4, 1, [])


def test_what_old_logins_became_goes_with_them_in_each_channel_too(server, monkeypatch):
    place = outlets.place(server.spool, "chat")
    os.makedirs(place.path("state"))
    for spool in (server.spool, place):
        for directory in ("outgoing", "failed"):
            os.makedirs(spool.path(directory), exist_ok=True)
        for day in (0, ledger.day_of(time.time())):
            parts.Path(spool.path("state", f"ends-{day}")).write_text("")
    server.write()
    proof.update(server.spool, [])
    for spool in (server.spool, place):
        assert [name for name in os.listdir(spool.path("state")) if name.startswith("ends-0")] == []
        assert len([name for name in os.listdir(spool.path("state")) if name.startswith("ends-")]) == 1
