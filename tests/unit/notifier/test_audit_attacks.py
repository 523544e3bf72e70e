# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit under attack: nobody except root can hide a login that was not reported, or stop the audit."""

import json
import os
import time

import parts
import pytest
from audited import (
    ADA,
    BY_HAND,
    ISO,
    JOURNAL,
    START,
    TRADITIONAL,
    Clock,
    _zone,
    any_server,
    reasons,
    server,
)
from ssh_login_notify import audit, ledger, outlets, overflow, paths, proof, sshd_sessions, suspects

__all__ = ["_zone", "any_server", "server"]

DAY = ledger.day_of(START)


# -- by what sshd logs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user", ["\\303" * 100, "x" * 500, "from 192.0.2.1 port", "a\\nAccepted", "[preauth]", "fatal: "]
)
def test_a_line_that_is_cut_off_hides_no_login(any_server, user):
    """sshd truncates its lines after 500 characters, and a name of 100 characters can take 400."""
    any_server.login()
    accepted = (
        f"Accepted keyboard-interactive/pam for {user} from 2001:db8:1111:2222:3333:4444:5555:6666 port 45006 ssh2"
    )
    any_server.says(77, accepted[:500], entry=BY_HAND)
    any_server.says(78, f"Accepted password for {user}"[:500], entry=BY_HAND)
    assert any_server.audit().missed_count == 2


def test_a_cut_off_line_of_a_login_that_was_reported_is_known_by_its_process(any_server):
    any_server.pid += 7
    any_server.says(any_server.pid, "Accepted password for " + "\\303" * 120)
    found = parts.alert(id=f"{START:017.6f}-9", user="x", address=ADA, port=5, service="sshd")
    ledger.note(any_server.spool, found, any_server.pid)
    assert any_server.audit().known == 1


def test_a_session_without_accepted_is_a_login(any_server):
    """With `LogLevel QUIET`, also in a Match block for one user, sshd logs no `Accepted`. PAM logs as usual."""
    any_server.login(key="")
    any_server.login(user="mallory", known=False)
    any_server.lines = [line for line in any_server.lines if not line[2].startswith("Accepted")]
    result = any_server.audit()
    assert (result.accepted, result.known, result.missed_count) == (2, 1, 1)
    assert "line was missing" in reasons(result)[0]


def test_a_session_of_a_login_that_was_accepted_in_the_last_look_is_the_same_login(server):
    server.login()
    server.login(known=False)
    at = next(at for at, _pid, message, _ in reversed(server.lines) if message.startswith("Accepted")) + 0.002
    first, tail = audit.compare(
        server.spool, server.write(), suspects.Context(START - 9), START - 9, at, time.monotonic() + 60
    )
    second, _tail = audit.compare(
        server.spool,
        server.write(),
        suspects.Context(START - 9),
        at,
        at + 900,
        time.monotonic() + 60,
        first.cursor,
        tail,
    )
    assert (first.accepted, first.missed_count, second.accepted) == (2, 1, 0)


def test_an_earlier_report_does_not_stand_for_a_login_whose_process_got_the_same_pid(server, monkeypatch):
    """Hours later, from the same address and port. This once counted as a clock that was set."""
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    server.login(port=45006)
    pid = server.pid
    for hours in (1, 2):
        server.now = clock.at = START + hours * 3600
        if hours == 2:
            server.pid = pid - 7
            server.now -= 300
            server.login(port=45006, known=False)
        server.write()
        proof.update(server.spool, [])
    found = proof.as_json(server.spool)
    assert (found["missed"], found["doubts"]["clock"]) == (1, 0)


def test_a_line_of_another_host_is_no_evidence(server):
    """The log of a log server has many hosts, and two of them often have the same pid."""
    server.kind = ISO
    server.login()
    server.login(user="mallory", known=False, session=False)
    pid = server.pid
    ends = f"Connection closed by {ADA} port 5 [preauth]"
    server.says(pid, ends)
    history = server.write()
    path = server.root / "auth.log"
    path.write_text("".join(line.replace(" web1 ", " db1 ") if ends in line else line for line in path.open()))
    context = suspects.Context(START - 86400, hosts=["web1"])
    result, _tail = audit.compare(server.spool, history, context, START - 9, START + 900, time.monotonic() + 60)
    assert (result.missed_count, result.doubts["ended"]) == (1, 0)


def test_hosts_that_a_log_names_by_address_are_told_apart():
    """A log server can write addresses. All of 192.0.2.0/24 once counted as this host, which raised false alarms."""
    assert suspects.short("192.0.2.10") != suspects.short("192.0.2.11")
    assert suspects.short("Web1.example.com") == suspects.short("web1")


def test_a_process_that_got_the_same_pid_gives_no_evidence(any_server):
    """It raises no alarm about a connection that ended before its session, and hides no login."""
    for is_missed in (True, False):
        any_server.login(known=False, session=False, entry=BY_HAND)
        pid = any_server.pid
        if not is_missed:
            any_server.says(pid, f"Connection closed by {ADA} port 5 [preauth]")
        any_server.now += 20
        any_server.pid = pid - 7
        any_server.login(port=999)
        if is_missed:
            any_server.says(pid, f"Connection closed by {ADA} port 999 [preauth]")
        any_server.now += 300
    result = any_server.audit()
    assert (result.known, result.doubts["ended"]) == (2, 1)
    assert result.missed_count == 1


def test_lines_in_another_order_hide_no_login_and_raise_no_alarm(any_server):
    """Two processors timestamp the lines, and the later one is written first."""
    for number in range(20):
        any_server.login(known=False, session=False)
        any_server.says(any_server.pid - 1, "Failed none for invalid user x from 192.0.2.1 port 5 ssh2")
        any_server.says(any_server.pid, f"Connection closed by {ADA} port 5 [preauth]", any_server.now + 0.5)
        any_server.says(99, f"pam_unix(sshd:session): session closed for user {number}", any_server.now - 1.5)
    any_server.lines.sort(key=lambda line: line[0] if line[1] != 99 else line[0] + 1.7)
    result = any_server.audit()
    assert (result.missed_count, result.doubts["ended"]) == (0, 20)


def test_a_young_line_that_another_line_overtakes_is_left_to_the_next_look(server):
    server.login()
    until = server.now
    server.now = until + 10
    server.login(user="mallory", known=False)
    server.now = until - 0.5
    server.login()
    context = suspects.Context(START - 9)
    first, tail = audit.compare(server.spool, server.write(), context, START - 9, until, time.monotonic() + 60)
    assert (first.accepted, first.missed_count) == (1, 0)
    second, _tail = audit.compare(
        server.spool, server.write(), context, until, until + 60, time.monotonic() + 60, first.cursor, tail
    )
    assert (second.accepted, second.missed_count) == (2, 1)


def test_a_host_that_was_suspended_has_not_booted(server):
    """The monotonic clock stops meanwhile, so the boot seems to have been later."""
    booted = START - 600
    server.login(known=False, session=False, entry=BY_HAND, booted=booted)
    server.says(99, "Server listening on 0.0.0.0 port 2222.", server.now + 50, booted=booted + 640)
    result = server.audit()
    assert (result.missed_count, result.doubts["restart"]) == (1, 0)


def test_a_boot_hours_later_is_no_excuse(server):
    server.login(known=False, session=False, entry=BY_HAND)
    server.now, server.boot = server.now + 40000, "boot-2"
    server.says(1, "Server listening on 0.0.0.0 port 22.", booted=server.now - 5)
    result = server.audit()
    assert (result.missed_count, result.doubts["restart"]) == (1, 0)


def test_an_sshd_that_uses_pam_no_longer_has_no_excuse(server):
    """A reset connection and a session without PAM leave the same lines. This sshd has opened PAM sessions before."""
    server.login()
    server.login(known=False, session=False)
    server.says(server.pid - 400, "Received SIGHUP; restarting.")
    server.says(server.pid - 400, "Server listening on :: port 22.")
    server.login(user="mallory", known=False, session=False)
    result = server.audit()
    assert (result.doubts["ended"], result.missed_count) == (1, 1)
    assert "mallory" in result.missed[0].line


def continued(server, *steps):
    """Run a step, then audit what is new, and so on, as the self-check does. Return the last result."""
    since, cursor, tail, context = START - 10, "", None, suspects.Context(START - 86400)
    for step in steps:
        step()
        server.now += 300
        limits = since, server.now, time.monotonic() + 60
        result, tail = audit.compare(server.spool, server.write(), context, *limits, cursor, tail)
        since, cursor, tail = result.until, result.cursor, json.loads(json.dumps(tail))
    return result


def move_session(server, number):
    """Have journald find the process of the last login in its logind session when the session's line arrives."""
    at, pid, message, fields = server.lines[-2]
    assert "session opened" in message
    server.lines[-2] = at, pid, message, dict(fields, entry={"_SYSTEMD_UNIT": f"session-{number}.scope"})


def test_many_sessions_do_not_displace_the_unit_of_their_sshd(server):
    """A fast login has both lines in its logind session, because journald reads the control group late."""

    def log_in():
        for number in range(120):
            server.login(entry={"_SYSTEMD_UNIT": f"session-{number}.scope"})
            server.login()

    result = continued(server, log_in, lambda: server.replay("hangup-rst-password", "debian12", known=False))
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


def test_a_session_counts_for_the_sshd_that_accepted_it_if_its_process_has_moved_since(server):
    """On EL 7 and Amazon Linux 2, pam_systemd runs before pam_unix."""

    def log_in():
        for number in range(3):
            server.login()
            move_session(server, number)

    result = continued(server, log_in, lambda: server.login(known=False, session=False))
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


def log_in_slowly(server, seconds, late):
    """Log somebody in whose session PAM opens late. late: between the time in the log and that in the ledger"""
    server.login(late=late, session=False)
    server.says(server.pid, SESSION_OF_ADA, server.now + seconds)
    server.now += seconds


SESSION_OF_ADA = "pam_unix(sshd:session): session opened for user ada(uid=1000) by ada(uid=0)"
# pam_systemd waits for 120 s if logind hangs; or the clock is set between the two lines.
SLOW = {"slow": (120.05, 0.004), "clock": (900.01, 900.004), "clock-back": (-900.01, -900.004)}


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("kind", [JOURNAL, ISO])
def test_a_session_that_pam_opens_late_is_no_second_login(server, how, kind):
    server.kind = kind
    log_in_slowly(server, *SLOW[how])
    result = server.audit(since=START - 2000)
    assert (result.accepted, result.missed_count) == (1, 0)


def test_a_session_that_pam_opens_after_the_next_look_is_no_second_login(server):
    def log_in():
        server.login(session=False)
        server.now += 200

    result = continued(server, log_in, lambda: server.says(server.pid, SESSION_OF_ADA))
    assert (result.accepted, result.missed_count) == (0, 0)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_later_session_of_the_same_pid_is_a_login(any_server, has_ended):
    """The earlier one has its session, or ended without one. With `LogLevel QUIET`, the later one has no other line."""
    any_server.login(known=not has_ended, session=not has_ended, entry=BY_HAND)
    if has_ended:
        any_server.says(any_server.pid, f"Connection closed by {ADA} port 5 [preauth]")
    any_server.now += 200
    any_server.says(any_server.pid, SESSION_OF_ADA, entry=BY_HAND)
    result = any_server.audit()
    assert (result.accepted, result.doubts["ended"], result.missed_count) == (2, int(has_ended), 1)


def test_the_logins_that_wait_for_a_session_do_not_grow_without_end(server, monkeypatch):
    """Where no PAM module logs a session, every login waits for one."""
    monkeypatch.setattr(sshd_sessions, "MOST_LOGINS", 10)
    monkeypatch.setattr(sshd_sessions, "MOST_AWAITING", 5)
    for _number in range(40):
        server.login(session=False)
        server.now += 60
    limits = START - 10, server.now, time.monotonic() + 60
    result, tail = audit.compare(server.spool, server.write(), suspects.Context(START - 86400), *limits)
    assert (result.accepted, result.known) == (40, 40)
    assert [pid for _host, pid, *_more in tail["awaiting"]] == [server.pid - 7 * number for number in (4, 3, 2, 1, 0)]


def test_a_session_after_a_reset_connection_shows_too_that_the_sshd_uses_pam(server):
    server.login(known=False, session=False)
    server.now += 3600
    server.login(user="mallory", known=False)
    server.now += 3600
    server.login(user="eve", known=False, session=False, entry={"_SYSTEMD_UNIT": "session-5.scope"})
    server.login()
    result = server.audit()
    assert (result.doubts["ended"], result.missed_count) == (1, 2)
    assert [missed.line.split(" for ")[1].split(" ")[0] for missed in result.missed] == ["mallory", "eve"]


def test_a_session_of_an_sshd_that_was_restarted_since_is_no_excuse(server):
    server.login(user="mallory", known=False, session=False)
    server.now += 3600
    server.login(user="eve", known=False, session=False, entry=BY_HAND)
    server.says(9, "Server listening on :: port 22.")
    server.login()
    result = server.audit()
    assert (result.doubts["ended"], result.missed_count) == (0, 2)
    assert [missed.line.split(" for ")[1].split(" ")[0] for missed in result.missed] == ["mallory", "eve"]


def test_many_silent_logins_take_no_endless_memory(server, monkeypatch):
    monkeypatch.setattr(audit, "MOST_PENDING", 3)
    for _number in range(5):
        server.login(known=False, session=False)
        server.now += 100
    server.login()
    result = server.audit()
    assert (result.doubts["ended"], result.missed_count) == (3, 2)


@pytest.mark.parametrize("restarts", ["never", "before", "after"])
def test_a_person_who_asks_gets_the_answer_of_the_self_check(server, monkeypatch, restarts):
    """The self-check has seen a session of this sshd, but before the period that the person asks about."""
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
    monkeypatch.setattr(proof, "BEHIND_RUN_SECONDS", 60.0)
    clock = Clock(monkeypatch, START - 200)

    def look():
        server.now += 3600
        clock.at = server.now
        server.write()
        proof.update(server.spool, [])

    look()
    server.login()
    look()
    server.now += 30 * 3600
    if restarts == "before":
        server.says(9, "Server listening on :: port 22.")
    server.login(known=False, session=False)
    look()
    if restarts == "after":
        server.says(9, "Server listening on :: port 22.")
        look()
    found = proof.as_json(server.spool)
    assert (found["missed"], found["doubts"]["ended"]) == ((1, 0) if restarts == "before" else (0, 1))
    asked = proof.asked(server.spool, server.now - 86400)
    assert (asked.missed_count, asked.doubts["ended"]) == ((0, 1) if restarts == "never" else (1, 0))


@pytest.mark.parametrize("unit", [None, "session-5.scope", "sshd@3-192.0.2.2:22-203.0.113.50:5.service"])
def test_a_second_sshd_is_not_taken_for_the_first(server, unit):
    server.login()
    server.login(entry={"_SYSTEMD_UNIT": "sshd@3-192.0.2.2:22-203.0.113.50:5.service"})
    server.login(known=False, session=False, entry={"_SYSTEMD_UNIT": unit})
    assert server.audit().missed_count == 1


# -- by lines of other programs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        {"_EXE": None, "SYSLOG_PID": None},  # logger, which has ended
        {"SYSLOG_PID": "77777"},  # logger -t 'sshd[77777]'
        {"_EXE": "/usr/bin/logger"},  # logger -i
        {"_EXE": None, "_COMM": "logger"},
        {"_UID": "1000"},  # a user's own sshd
        {"_UID": "100000"},  # root of a user's own namespace
        {"_UID": None},
        {"_TRANSPORT": "stdout"},
        {"_TRANSPORT": "kernel"},
        {"_TRANSPORT": "audit"},
        {"_PID": None},
    ],
)
@pytest.mark.parametrize("message", ["Accepted password for eve from 192.0.2.1 port 5 ssh2", None])
def test_lines_of_others_count_for_nothing(server, forged, message):
    session = "pam_unix(sshd:session): session opened for user eve(uid=1000) by (uid=0)"
    server.says(7, message or session, entry=forged)
    result = server.audit()
    assert (result.accepted, result.missed_count) == (0, 0)


@pytest.mark.parametrize("forged", [{"_UID": "1000"}, {"_EXE": "/usr/bin/logger"}, {"SYSLOG_PID": "1"}])
@pytest.mark.parametrize("message", ["Connection closed by 192.0.2.1 port 5 [preauth]", "fatal: x"])
def test_nobody_can_say_that_a_login_had_ended(server, forged, message):
    server.login(known=False, session=False, entry=BY_HAND)
    server.says(server.pid, message, entry=forged)
    assert server.audit().missed_count == 1


@pytest.mark.parametrize("level", ["", "error: "])
def test_the_words_with_which_a_client_leaves_do_not_say_that_it_had_no_session(server, level):
    """The process that accepts root's login runs until the end, and its later lines end with the client's words."""
    server.login(user="root", known=False, session=False, entry=BY_HAND)
    server.says(server.pid, f"{level}Received disconnect from {ADA} port 5:11: bye [preauth]", server.now + 0.5)
    server.says(server.pid, f"Disconnected from user root {ADA} port 5", server.now + 0.5)
    assert server.audit().missed_count == 1


def test_an_sshd_that_says_more_does_not_say_that_a_login_had_ended(any_server):
    """With `LogLevel DEBUG`, the monitor writes the last lines of the process before it after `Accepted`."""
    any_server.login(known=False, session=False, entry=BY_HAND)
    for said in (
        "debug1: monitor_child_preauth: user ada authenticated by privileged process",
        "debug1: auth_activate_options: setting new authentication options [preauth]",
        "debug2: userauth_pubkey: authenticated 1 pkalg rsa-sha2-512 [preauth]",
        "debug3: mm_request_send: entering, type 26 [preauth]",
    ):
        any_server.says(any_server.pid, said)
    assert any_server.audit().missed_count == 1


@pytest.mark.parametrize(("user", "is_missed"), [("root", True), ("ada", False)])
def test_root_can_not_make_its_own_login_end_before_the_session(any_server, user, is_missed):
    """The session of root is in the process that logs `Accepted`, and its client can make that fail."""
    any_server.login(user=user, known=False, session=False, entry=BY_HAND)
    why = f"Connection from user {user} {ADA} port 5: message authentication code incorrect"
    any_server.says(any_server.pid, "fatal: ssh_dispatch_run_fatal: " + why)
    assert any_server.audit().missed_count == is_missed


def test_a_client_that_leaves_before_its_session_is_no_missed_login(server):
    server.login(known=False, session=False, entry=BY_HAND)
    server.says(server.pid, f"Received disconnect from {ADA} port 5:11: bye [preauth]", server.now + 0.5)
    server.says(server.pid, f"Disconnected from authenticating user ada {ADA} port 5 [preauth]", server.now + 0.5)
    result = server.audit()
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


def test_a_login_that_journald_could_not_attribute_takes_the_proof_away(server):
    """A user who floods journald can make their own login one of these. It is neither an alarm nor a proof."""
    server.says(7, f"Accepted publickey for ada from {ADA} port 5 ssh2", entry={"_EXE": None})
    result = server.audit()
    assert (result.missed_count, result.doubts["unproven"]) == (0, 1)
    assert "journald could not identify" in result.gaps[0]


# -- by a flood -------------------------------------------------------------------------------------------------------


def test_a_ledger_that_somebody_has_filled_takes_the_proof_away(server, monkeypatch):
    server.login()
    monkeypatch.setattr(ledger, "MOST_DAY_BYTES", 1)
    server.login(known=False)
    assert "more logins than the ledger takes" in server.audit().gaps[0]


def test_a_ledger_that_was_full_in_run_is_remembered(spool, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_OVERFLOW_BYTES", 300)
    directory = spool.path("ledger")
    os.rename(directory, directory + "-away")
    for number in range(10):
        ledger.note(spool, parts.alert(number), 77)
    os.rename(directory + "-away", directory)
    for _look in range(3):
        assert ledger.Day(spool, ledger.day_of(parts.alert()["time"])).is_full
        ledger.bring_back(spool)
    assert ledger.Day(spool, ledger.day_of(parts.alert()["time"])).is_full


def test_a_full_day_does_not_keep_the_lines_in_run_for_ever(spool, monkeypatch):
    os.rmdir(spool.path("ledger"))
    ledger.note(spool, parts.alert(), 77)
    os.mkdir(spool.path("ledger"))
    parts.Path(spool.path("ledger", str(ledger.day_of(parts.alert()["time"])))).write_bytes(b"x" * 100)
    monkeypatch.setattr(ledger, "MOST_DAY_BYTES", 10)
    ledger.bring_back(spool)
    ledger.bring_back(spool)
    assert not [name for name in os.listdir(paths.OVERFLOW) if name.startswith("ledger")]


def test_who_misses_more_logins_than_are_described_is_told_when_the_last_was(server, monkeypatch):
    monkeypatch.setattr(audit, "MOST_MISSED", 2)
    for _number in range(5):
        server.login(known=False)
    result = server.audit()
    assert (result.missed_count, len(result.missed)) == (5, 2)
    assert result.last_missed > START + 3.9


def test_an_audit_that_can_not_keep_up_says_so_and_gets_more_time(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    for _hour in range(4):
        server.login()
        server.now += 3600
    clock.at = server.now
    deadlines = []
    compare = audit.compare

    def slow(spool, history, context, since, until, deadline, *more):
        deadlines.append(deadline - time.monotonic())
        history.is_whole, entries = True, history.entries

        def some(*arguments):
            for count, entry in enumerate(entries(*arguments)):
                if count == 2:
                    history.is_whole = False
                    return
                yield entry

        history.entries = some
        return compare(spool, history, context, since, until, deadline, *more)

    monkeypatch.setattr(audit, "compare", slow)
    server.write()
    proof.update(server.spool, [])
    assert "behind" in proof.line(proof.as_json(server.spool))
    assert deadlines[0] > proof.RUN_SECONDS


def test_the_message_of_a_host_whose_disks_are_full_does_not_grow_for_ever(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)

    def full(*_unused):
        raise OSError("full")

    monkeypatch.setattr(overflow, "queue", full)
    server.write()
    proof.update(server.spool, [])
    for _look in range(6):
        for _number in range(8):
            server.login(known=False)
        server.now += 290
        clock.at = server.now
        server.write()
        with pytest.raises(OSError, match="full"):
            proof.update(server.spool, [])
    message = proof.Proof(server.spool).kept["message"]
    assert len(message["notes"]) <= 20
    assert "40" in str(message) or "48" in str(message)


# -- by what the service user can write -------------------------------------------------------------------------------


def block(path, how):
    if how == "directory":
        os.makedirs(path)
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        os.symlink("/dev/zero", path)
    elif how == "endless":
        with open(path, "wb") as file:
            file.truncate(1 << 31)
    else:
        os.mkdir(path + "\u00b2")  # a digit for isdigit(), and not for int()


@pytest.mark.parametrize("how", ["directory", "pipe", "link", "endless", "digit"])
def test_no_file_of_the_service_user_ends_the_audit(server, monkeypatch, how, said):
    monkeypatch.setattr(proof, "RUN_SECONDS", 60.0)
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    server.login(known=False, end="")
    for day in (DAY, 0):
        block(server.spool.path("state", f"{ledger.ENDS}{day}"), how)
    clock.at = server.now + 300
    server.write()
    os.makedirs(paths.OVERFLOW)
    parts.Path(paths.OVERFLOW, "ledger").write_text(f"{START:017.6f}-1 lost\n")
    for _look in range(2):
        proof.update(server.spool, [])
        clock.at += 300
    assert proof.as_json(server.spool)["missed"] == 1
    assert not os.path.exists(os.path.join(paths.OVERFLOW, "ledger.moving"))


def test_a_queue_that_can_not_be_read_ends_no_audit(server):
    server.login()
    os.rmdir(server.spool.path("failed"))
    os.makedirs(outlets.place(server.spool, "chat").path("state"))
    assert server.audit().known == 1


# -- by the clock, the disk, and old ledgers --------------------------------------------------------------------------


def test_logins_before_the_oldest_day_of_the_ledger_are_no_alarm(server, monkeypatch):
    """The ledger is kept for 40 days, and the journal for longer."""
    clock = Clock(monkeypatch, START - 86400 * 50)
    server.lines = []
    server.now = clock.at
    server.says(1, "Server listening on 0.0.0.0 port 22.", server.now - 900)
    server.write()
    proof.update(server.spool, [])
    server.now += 60
    server.login()
    server.now = clock.at = START
    server.login()
    clock.at += 300
    server.write()
    proof.update(server.spool, [])
    result = proof.asked(server.spool, START - 86400 * 60)
    assert (result.missed_count, result.known) == (0, 1)
    assert result.doubts["before"] == 1


def test_a_log_that_can_not_be_read_is_said_and_is_no_proof(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    (server.root / "journalctl").write_text("#!/bin/sh\nexit 1\n")
    clock.at += 300
    proof.update(server.spool, [])
    assert "can't be read" in proof.line(proof.as_json(server.spool))


def test_a_proof_that_is_old_is_said_to_be_old(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    clock.at += 8000
    assert "last verified at" in proof.line(proof.as_json(server.spool))


def test_status_compares_what_is_new(server, monkeypatch):
    clock = Clock(monkeypatch, START - 200)
    server.write()
    proof.update(server.spool, [])
    server.login()
    server.login(known=False)
    clock.at = server.now + 200
    server.write()
    before = server.spool.read("ledger", "audit.json")
    found = proof.now(server.spool)
    assert (found["accepted"], found["known"], found["missed"]) == (2, 1, 1)
    assert server.spool.read("ledger", "audit.json") == before
    assert server.spool.names("outgoing") == []


def test_a_log_that_lacks_logins_that_are_known_is_no_proof(server):
    """sshd's LogLevel, another SyslogFacility, a syslog daemon that has died."""
    for _number in range(3):
        server.login()
    server.lines = server.lines[:1]
    result = server.audit()
    assert (result.accepted, result.unlogged) == (0, 3)
    assert "lacks 3 logins" in result.gaps[0]
    assert result.is_doubtful


# -- what is no alarm either ------------------------------------------------------------------------------------------


def test_a_client_that_has_reset_the_connection_while_pam_asked_a_server_is_no_alarm(server):
    """Seen with OpenSSH 8.4, 9.2 and 10.0: `Accepted`, and no further line."""
    server.login()
    server.login(known=False, session=False)
    server.login()
    result = server.audit()
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


def test_a_session_that_pam_has_refused_is_no_alarm(any_server):
    any_server.login(known=False, session=False, entry=BY_HAND)
    any_server.says(any_server.pid, "error: PAM: pam_open_session(): Permission denied")
    result = any_server.audit()
    assert (result.missed_count, result.doubts["ended"]) == (0, 1)


@pytest.mark.parametrize(
    "group",
    [
        "/system.slice/docker-0123abc.scope", "/docker/0123abc", "/machine.slice/libpod-0123.scope/container",
        "/kubepods.slice/kubepods-pod1.slice/cri-containerd-01.scope", "/lxc.payload.web/system.slice/ssh.service",
        "/machine.slice/systemd-nspawn@web.service/payload",
    ],
)  # fmt: skip
def test_an_sshd_in_a_container_is_no_alarm(server, group):
    server.login(known=False, entry={"_SYSTEMD_CGROUP": group})
    result = server.audit()
    assert (result.missed_count, result.doubts["elsewhere"]) == (0, 1)


@pytest.mark.parametrize("written", ["America/Los_Angeles", "Asia/Tokyo"])
def test_a_log_in_the_zone_of_before_is_no_alarm(server, monkeypatch, written):
    """After a change of the host's time zone, a syslog daemon that runs on still writes the old one."""

    def in_zone(zone, act, *arguments):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        return act(*arguments)

    server.kind, server.lines = TRADITIONAL, []
    server.now = START + (5 if written.startswith("America") else -5) * 3600
    for _number in range(4):
        server.login()
    text = server._text
    server._text = lambda line: in_zone(written, text, line)
    history = server.write()
    limits = START - 2 * 86400, START + 2 * 86400, time.monotonic() + 60
    context = suspects.Context(START - 3 * 86400)
    result = in_zone("UTC", audit.compare, server.spool, history, context, *limits)[0]
    assert (result.doubts["clock"], result.missed_count, result.unlogged) == (4, 0, 0)


def test_only_what_this_host_is_called_is_its_name(spool):
    """On a log server, each new virtual machine calls itself `localhost`."""
    nodename = suspects.short(os.uname().nodename)
    assert proof.Proof(spool).context().hosts == {nodename}


@pytest.mark.parametrize("kind", [ISO, TRADITIONAL])
def test_the_lines_of_other_hosts_on_a_log_server_are_no_alarm(server, kind):
    server.kind = kind
    server.login(known=False)
    assert server.audit(hosts=["loghost"]).doubts["elsewhere"] == 1
    assert server.audit(hosts=["web1"]).missed_count == 1
    server.login()  # in its line this host is called web1
    assert server.audit(hosts=["loghost"]).missed_count == 1


def test_a_login_just_before_a_power_failure_is_no_alarm_in_a_file_either(server):
    server.kind = ISO
    server.login(known=False, session=False)
    assert server.audit(boots=[server.now + 40]).doubts["restart"] == 1
    assert server.audit(boots=[server.now + 4000]).missed_count == 1


def test_an_sshd_of_another_name_is_read_if_the_notifier_is_in_its_pam_service(server):
    server.login(entry={"SYSLOG_IDENTIFIER": "bastion", "_EXE": "/usr/sbin/bastion"})
    server.login(known=False, entry={"SYSLOG_IDENTIFIER": "bastion", "_EXE": "/usr/sbin/bastion"})
    server.write()
    from ssh_login_notify import sshd_history

    history = sshd_history.here(["sshd", "bastion"])
    context = suspects.Context(START - 9, services=["sshd", "bastion"])
    result = audit.compare(server.spool, history, context, START - 9, server.now, time.monotonic() + 60)[0]
    assert (result.known, result.missed_count) == (1, 1)


def test_messages_that_journald_dropped_of_a_unit_of_another_name_are_said(server):
    from ssh_login_notify import sshd_log

    server.login(entry={"_SYSTEMD_UNIT": "bastion.service"})
    fields = {"_TRANSPORT": "driver", "MESSAGE_ID": sshd_log.DROPPED_ID, "_EXE": "/x/systemd-journald"}
    for unit in ("/system.slice/bastion.service", "nginx.service"):
        server.says(2, f"Suppressed 12 messages from {unit}", entry=fields)
    assert "dropped 12 messages" in server.audit().gaps[0]


def test_what_waits_in_run_for_an_hour_is_known(server, monkeypatch):
    os.rename(server.spool.path("ledger"), server.spool.path("ledger-away"))
    server.login(end="")
    os.rename(server.spool.path("ledger-away"), server.spool.path("ledger"))
    overflow.keep(f"{START + 0.004:017.6f}-{server.pid + 1}", b"{}")
    assert server.audit().fates["waiting"] == 1
