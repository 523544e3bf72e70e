# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""failures: the number of attempts from an address, by sshd's lines only, and in bounded time."""

import json
import os
import time

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import wait_for
from ssh_login_notify import failures, overflow, root_reader, sshd_log
from ssh_login_notify.root_reader import RootReader

pytestmark = pytest.mark.each

ADA = "203.0.113.50"
OTHER = "192.0.2.1"
NOW = time.time()
KEY = "ED25519 SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CERTIFICATE = f"ED25519-CERT SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG ID {{}} (serial 0) CA {KEY}"
# The user's name is literal. All lines are about the same address.
FORMS = {
    "Failed password for {user} from {address} port 45006 ssh2": failures.PASSWORD,
    "Failed password for invalid user {user} from {address} port 45006 ssh2": failures.PASSWORD,
    "Failed keyboard-interactive/pam for {user} from {address} port 45006 ssh2": failures.KEYBOARD,
    "Failed gssapi-with-mic for {user} from {address} port 45006 ssh2": failures.PASSWORD,
    "error: PAM: Authentication failure for {user} from {address}": failures.PAM,
    "error: PAM: User not known to the underlying authentication module for illegal user {user} from {address}":
        failures.PAM,
    "Failed publickey for {user} from {address} port 45006 ssh2: " + KEY: failures.SIGN,
    "Failed publickey for invalid user {user} from {address} port 45006 ssh2": failures.SIGN,
    "Invalid user {user} from {address} port 45006": failures.SIGN,
    "Invalid user {user} from {address}": failures.SIGN,
    "Connection closed by authenticating user {user} {address} port 45006 [preauth]": failures.SIGN,
    "Connection reset by invalid user {user} {address} port 45006 [preauth]": failures.SIGN,
    "Disconnected from authenticating user {user} {address} port 45006 [preauth]": failures.SIGN,
    "error: maximum authentication attempts exceeded for {user} from {address} port 45006 ssh2 [preauth]":
        failures.SIGN,
}  # fmt: skip
# At LogLevel VERBOSE, sshd logs this about a key that the client only asked about (auth2-pubkeyfile.c).
QUERIES = (
    f"Accepted key {KEY} found at /home/ada/.ssh/authorized_keys:1",
    f'Accepted certificate ID "x for y" (serial 0) signed by CA {KEY} found at /home/ada/.ssh/authorized_keys:1',
    f'Accepted certificate ID "x" (serial 0) signed by {KEY} via /etc/ssh/ca.pub',
)
CLAIMS = (
    f"x from {OTHER} port 5",
    f"x from {OTHER} port 5 ssh2",
    f"x {OTHER} port 5 [preauth]",
    f"from {OTHER}",
    f"ada from {OTHER} port 5 ssh2: {KEY}",
    "",
)


def entry(message, at=NOW, pid=100, **others):
    """Return an entry of the journal, as journalctl prints it."""
    fields = {
        "__CURSOR": f"s=1;i={at}",
        "__REALTIME_TIMESTAMP": str(int((at + 1) * 1e6)),
        "_SOURCE_REALTIME_TIMESTAMP": str(int(at * 1e6)),
        "_UID": "0",
        "_PID": str(pid),
        "SYSLOG_PID": str(pid),
        "_EXE": "/usr/sbin/sshd",
        "_TRANSPORT": "syslog",
        "MESSAGE": message,
    }
    return {name: value for name, value in dict(fields, **others).items() if value is not None}


def refused(user="root", address=ADA, port=45006):
    return f"Failed password for {user} from {address} port {port} ssh2"


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    """Fix the current time for these tests."""
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal, and a journalctl that prints it and records its arguments."""
    program = (
        "import os, sys, time\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "open('calls', 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "time.sleep(float(open('slow').read()) if os.path.exists('slow') else 0)\n"
        "print(open('entries').read(), end='', flush=True)\n"
        "time.sleep(float(open('hangs').read()) if os.path.exists('hangs') else 0)\n"
        "sys.exit(int(open('fails').read()) if os.path.exists('fails') else 0)\n"
    )
    parts.make_journal(tmp_path, monkeypatch, program)
    monkeypatch.setattr(sshd_log, "LOG_FILES", ())
    # A busy machine takes long to start this journalctl.
    monkeypatch.setattr(failures, "READ_SECONDS", parts.LONGEST_WAIT)
    monkeypatch.setattr(root_reader, "ANSWER_SECONDS", parts.LONGEST_WAIT)
    return Written(tmp_path)


class Written:
    def __init__(self, path):
        self.path = path
        self.holds()

    def holds(self, *entries):
        (self.path / "entries").write_text("".join(json.dumps(found) + "\n" for found in reversed(entries)))

    def calls(self):
        calls = self.path / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


# -- what the lines say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [ADA, "2001:db8::17", "fe80::1%eth0", "::ffff:203.0.113.50"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_with_its_address(form, address):
    assert failures.meaning(form.format(user="ada", address=address)) == (FORMS[form], address)


@pytest.mark.parametrize("user", CLAIMS)
@pytest.mark.parametrize("form", FORMS)
def test_a_user_cannot_name_another_address(form, user):
    found = failures.meaning(form.format(user=user, address=ADA))
    assert found is None or found[1] == ADA


@given(user=st.text(st.characters(blacklist_categories=("Cs",)), max_size=100) | st.sampled_from(CLAIMS))
@pytest.mark.parametrize("form", FORMS)
def test_no_name_at_all_names_another_address(form, user):
    found = failures.meaning(form.format(user=user, address=ADA))
    assert found is None or found[1] == ADA
    if FORMS[form] != failures.SIGN:
        assert found == (FORMS[form], ADA), "an attempt is never hidden by a name"


def test_what_a_certificate_says_names_no_other_address():
    own_words = CERTIFICATE.format(f"x from {OTHER} port 5 ssh2")
    assert failures.meaning(f"Failed publickey for ada from {ADA} port 45006 ssh2: {own_words}") is None
    assert failures.meaning(f"Failed publickey for ada from {ADA} port 45006 ssh2: {CERTIFICATE.format('x')}")[1] == ADA


@pytest.mark.parametrize(
    "message",
    [
        f"Failed none for invalid user ada from {ADA} port 45006 ssh2",
        f"Connection closed by {ADA} port 45006 [preauth]",
        f"Disconnected from user authenticating user ada {ADA} port 45006",
        f"Received disconnect from {ADA} port 45006:11: Bye Bye [preauth]",
        f"Postponed publickey for ada from {ADA} port 45006 ssh2 [preauth]",
        f"Partial publickey for ada from {ADA} port 45006 ssh2",
        f"Timeout before authentication for {ADA} port 45006",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.50",
        "Server listening on 0.0.0.0 port 22.",
    ],
)
def test_what_is_no_attempt(message):
    assert failures.meaning(message) is None


# -- one attempt is one -----------------------------------------------------------------------------------------------


def attempts(*messages):
    found = failures.Attempts()
    found.add([(NOW, 100, message) for message in messages])
    return found.count(NOW - 1, NOW).get(ADA, 0)


def offered(number):
    return [f"Failed publickey for ada from {ADA} port 45006 ssh2: {KEY}{index}" for index in range(number)]


@pytest.mark.parametrize(
    ("messages", "number"),
    [
        ([*offered(3), f"Accepted publickey for ada from {ADA} port 45006 ssh2: {KEY}"], 0),
        ([*offered(3), f"Connection closed by authenticating user ada {ADA} port 45006 [preauth]"], 1),
        ([*offered(3), refused("ada"), f"Accepted password for ada from {ADA} port 45006 ssh2"], 1),
        ([f"Invalid user bob from {ADA} port 45006", refused("invalid user bob"), refused("invalid user bob")], 2),
        (
            [
                *[refused()] * 6,
                f"error: maximum authentication attempts exceeded for root from {ADA} port 45006 ssh2 [preauth]",
                f"Disconnecting authenticating user root {ADA} port 45006: Too many authentication failures [preauth]",
            ],
            6,
        ),
        ([f"error: PAM: Authentication failure for root from {ADA}"] * 3, 3),
        (
            [
                f"error: PAM: Authentication failure for root from {ADA}",
                f"Failed keyboard-interactive/pam for root from {ADA} port 45006 ssh2",
            ]
            * 2,
            2,
        ),
        ([f"error: PAM: Authentication failure for root from {ADA}", refused()], 2),
        ([f"Connection closed by authenticating user ada {ADA} port 45006 [preauth]"], 1),
        *(
            ([*offered(1), query, f"Connection closed by authenticating user ada {ADA} port 45006 [preauth]"], 1)
            for query in QUERIES
        ),
        (["error: PAM: Authentication failure for root from mail.example.net"], 0),
        ([refused(), "error: PAM: Authentication failure for root from mail.example.net"], 2),
    ],
)
def test_each_attempt_counts_once(messages, number):
    assert attempts(*messages) == number


def test_each_connection_counts_for_itself():
    found = failures.Attempts()
    sign = f"Connection closed by authenticating user ada {ADA} port 45006 [preauth]"
    found.add([(NOW, 100, sign), (NOW, 101, sign), (NOW, 101, f"Accepted password for x from {ADA} port 1 ssh2")])
    assert found.count(NOW, NOW) == {ADA: 1}


def test_of_too_many_lines_the_newest_count(monkeypatch):
    monkeypatch.setattr(failures, "MOST_EVENTS", 10)
    found = failures.Attempts()
    found.add([(NOW + index, index, refused(address=OTHER)) for index in range(20)])
    found.add([(NOW + 30, 30, refused())])
    assert found.count(NOW, NOW + 40) == {OTHER: 9, ADA: 1}


# -- the journal ------------------------------------------------------------------------------------------------------


def test_the_ten_minutes_before_a_login_count(journal):
    late = entry(refused(), NOW - failures.BEFORE_SECONDS - 1)
    after = entry(refused(), NOW + 0.1, pid=101)
    journal.holds(late, entry(refused(), NOW - failures.BEFORE_SECONDS + 1), entry(refused(), NOW), after)
    assert failures.Log().before(ADA, NOW) == 2


@pytest.mark.parametrize("asked", ["::ffff:203.0.113.50", "203.0.113.50"])
@pytest.mark.parametrize("logged", ["::ffff:203.0.113.50", "203.0.113.50"])
def test_an_ipv4_address_in_ipv6_form_is_the_ipv4_address(journal, asked, logged):
    journal.holds(entry(refused(address=logged)))
    assert failures.Log().before(asked, NOW) == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"_UID": "1000"},
        {"_UID": None},
        {"_EXE": "/usr/bin/logger"},
        {"_EXE": "/home/eve/sshd", "_UID": "1000"},
        {"_TRANSPORT": "stdout"},
        {"_TRANSPORT": "journal"},
    ],
)
def test_lines_that_are_not_sshds_do_not_count(journal, forged):
    journal.holds(entry(refused(), **forged))
    assert failures.Log().before(ADA, NOW) == 0


@pytest.mark.parametrize(
    "sshds",
    [
        {"_EXE": "/usr/lib/openssh/sshd-session"},
        {"_EXE": "/usr/sbin/sshd (deleted)"},
        {"_EXE": None},  # the process had ended before journald looked
        {"MESSAGE": list(refused("\udce9".encode("utf-8", "surrogatepass").decode("latin-1")).encode("latin-1"))},
        {"_SOURCE_REALTIME_TIMESTAMP": None, "__REALTIME_TIMESTAMP": str(int(NOW * 1e6))},
    ],
)
def test_all_lines_of_sshds_count(journal, sshds):
    journal.holds(entry(refused(), **sshds))
    assert failures.Log().before(ADA, NOW) == 1


@pytest.mark.parametrize("damaged", ["", "[]", "{}", "null", '{"__CURSOR": 1, "MESSAGE": null}', "nonsense", "[" * 99])
def test_a_damaged_entry_hides_no_other(journal, damaged):
    journal.holds(entry(refused()))
    with open(str(journal.path / "entries"), "a") as file:
        file.write(damaged + "\n" + json.dumps(entry(refused(), pid=7)) + "\n")
    assert failures.Log().before(ADA, NOW) == 2


def test_the_journal_is_asked_for_sshds_lines_alone(journal):
    failures.Log().before(ADA, NOW)
    words = journal.calls()[0].split()
    assert f"--since=@{int(NOW - failures.BEFORE_SECONDS)}" in words
    wanted = ["_UID=0", "_TRANSPORT=syslog", *(f"SYSLOG_IDENTIFIER={name}" for name in sshd_log.NAMES)]
    assert words[-len(wanted) :] == wanted


def test_one_look_serves_a_storm_of_logins(journal):
    log = failures.Log()
    journal.holds(entry(refused(), NOW - 5))
    assert [log.before(ADA, NOW - 2 + index / 100) for index in range(100)] == [1] * 100
    assert len(journal.calls()) == 1


def test_a_later_look_reads_only_what_is_new(journal, monkeypatch):
    log = failures.Log()
    journal.holds(entry(refused(), NOW - 5, pid=1), entry(refused(), NOW - 4, pid=2))
    assert log.before(ADA, NOW) == 2
    journal.holds(entry(refused(), NOW + 3, pid=3))
    monkeypatch.setattr(time, "time", lambda: NOW + 5)
    assert log.before(ADA, NOW + 4.9) == 3
    assert f"--after-cursor=s=1;i={NOW - 4}" in journal.calls()[1]
    assert "--reverse" not in journal.calls()[1]


def test_late_alerts_are_judged_by_their_own_time(journal):
    log = failures.Log()
    long_ago = NOW - 5 * 3600
    journal.holds(entry(refused(), long_ago - 60))
    assert [log.before(ADA, long_ago + index) for index in range(50)] == [1] * 50
    assert len(journal.calls()) == 1
    assert f"--until=@{int(long_ago + failures.AHEAD_SECONDS) + 1}" in journal.calls()[0]
    journal.holds()
    assert log.before(ADA, NOW) == 0
    assert f"--since=@{int(NOW - failures.BEFORE_SECONDS)}" in journal.calls()[1], "nothing between is read"


@pytest.mark.parametrize("what", ["fails", "slow"])
def test_what_cannot_be_read_is_not_none_at_all(journal, monkeypatch, what):
    log = failures.Log()
    journal.holds(entry(refused()))
    (journal.path / what).write_text("1" if what == "fails" else "30")
    with monkeypatch.context() as hasty:
        hasty.setattr(failures, "READ_SECONDS", 0.5)
        assert log.before(ADA, NOW) is None
    (journal.path / what).unlink()
    assert log.before(ADA, NOW) == 1, "the next request looks again"


def test_a_journal_that_hangs_in_the_middle_tells_what_was_read(journal, monkeypatch):
    monkeypatch.setattr(failures, "READ_SECONDS", 3.0)
    began = time.monotonic()
    journal.holds(entry(refused()))
    (journal.path / "hangs").write_text("30")
    assert failures.Log().before(ADA, NOW) == 1
    assert time.monotonic() - began < 3.0 + 10


def test_a_long_journal_is_read_from_its_end_up_to_a_limit(journal, monkeypatch):
    monkeypatch.setattr(failures, "MOST_BYTES", 3000)
    journal.holds(*(entry(refused(), NOW - 100 + index, pid=index) for index in range(100)))
    assert 1 <= failures.Log().before(ADA, NOW) < 20
    assert "--reverse" in journal.calls()[0]


@pytest.mark.parametrize("address", ["", "local", "UNKNOWN", "mail.example.net", "1.2.3.4; id"])
def test_what_is_no_address_is_not_looked_for(journal, address):
    assert failures.Log().before(address, NOW) is None
    assert journal.calls() == []


@pytest.mark.parametrize("at", [0.0, NOW - failures.OLDEST_SECONDS - 60, NOW + 3600, float("nan"), float("inf")])
def test_a_time_that_no_login_has_is_not_looked_for(journal, at):
    assert failures.Log().before(ADA, at) is None
    assert journal.calls() == []


# -- a file -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def log_file(tmp_path, monkeypatch):
    path = tmp_path / "auth.log"
    path.write_text("")
    monkeypatch.setattr(sshd_log, "MACHINE_ID", str(tmp_path / "missing"))
    monkeypatch.setattr(sshd_log, "LOG_FILES", (str(tmp_path / "missing"), str(path)))
    return path


def traditional(message, at=NOW, pid=100, host="web1"):
    return "{} {} sshd[{}]: {}\n".format(time.strftime("%b %e %H:%M:%S", time.localtime(at)), host, pid, message)


def modern(message, at=NOW, pid=100):
    return "{} web1 sshd-session[{}]: {}\n".format(
        time.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00", time.gmtime(at)), pid, message
    )


@pytest.mark.parametrize("line", [traditional, modern])
def test_a_file_is_read_where_there_is_no_journal(log_file, line):
    other = traditional(refused()).replace("sshd[", "logger[")
    log_file.write_text(line(refused(), NOW - 700) + line(refused(), NOW - 60) + other + "damaged sshd\n")
    assert failures.Log().before(ADA, NOW) == 1


def test_busybox_writes_the_facility_behind_the_host(log_file):
    log_file.write_text(traditional(refused(), NOW - 5, host="web1 auth.info"))
    assert failures.Log().before(ADA, NOW) == 1


@pytest.mark.parametrize(
    ("text", "now", "at"),
    [
        ("Dec 31 23:59:58", 1767225700.0, 1767225598.0),
        ("Jan  1 00:00:02", 1767225700.0, 1767225602.0),
        ("2025-12-31T23:59:58Z", 0.0, 1767225598.0),
        ("2026-01-01T01:59:58.5+02:00", 0.0, 1767225598.5),
        ("2025-12-31T18:29:58-0530", 0.0, 1767225598.0),
    ],
)
def test_times_are_read_in_both_forms(monkeypatch, text, now, at):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    found = sshd_log.of_file(f"{text} web1 sshd[1]: x", now)
    monkeypatch.undo()
    time.tzset()
    assert found == (at, 1, "x")


@pytest.mark.parametrize(
    "text", ["Foo 31 23:59:58", "Feb 31 x3:59:58", "2025-13-41T99:59:58Z", "2025-12-31T23:59:58+x"]
)
def test_a_line_without_a_time_does_not_count(text):
    assert sshd_log.of_file(f"{text} web1 sshd[1]: x", NOW) is None or "31" in text


def test_only_the_end_of_a_file_is_read_and_then_what_is_new(log_file, monkeypatch):
    log = failures.Log()
    log_file.write_text(traditional(refused(), NOW - 10) * 100)
    monkeypatch.setattr(failures, "MOST_BYTES", 10 * len(traditional(refused())) + 5)
    assert log.before(ADA, NOW) == 10
    with open(str(log_file), "a") as file:
        file.write(traditional(refused(), NOW - 1) + traditional(refused(), NOW)[:20])
    assert log.before(ADA, NOW) == 11
    with open(str(log_file), "a") as file:
        file.write(traditional(refused(), NOW)[20:])
    assert log.before(ADA, NOW + 1) == 12, "a line that was being written is read when it is whole"


def test_a_file_that_was_rotated_is_read_from_its_beginning(log_file):
    log = failures.Log()
    log_file.write_text(traditional(refused(), NOW - 10))
    assert log.before(ADA, NOW) == 1
    log_file.rename(str(log_file) + ".1")
    log_file.write_text(traditional(refused(), NOW - 5))
    assert log.before(ADA, NOW) == 2


def test_without_a_log_nothing_is_known(log_file):
    log_file.unlink()
    assert failures.Log().before(ADA, NOW) is None
    assert failures.counted(NOW - 3600) is None


# -- a day ------------------------------------------------------------------------------------------------------------


def test_a_day_is_counted_by_address_the_most_first(journal, monkeypatch):
    monkeypatch.setattr(failures, "MOST_ADDRESSES", 2)
    lines = [entry(refused(address=OTHER), NOW - 3600, pid=pid) for pid in range(3)]
    lines += [entry(refused(), NOW - 7200)] + [entry(refused(address="192.0.2.9"), NOW, pid=pid) for pid in (1, 2)]
    lines += [entry(refused(address="192.0.2.8"), NOW - 90000, pid=50)]
    journal.holds(*sorted(lines, key=lambda line: line["_SOURCE_REALTIME_TIMESTAMP"]))
    assert list(failures.counted(NOW - 86400).items()) == [(OTHER, 3), ("192.0.2.9", 2)]


# -- the child --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(journal):
    found = RootReader()
    yield found
    found.close()


def test_a_child_answers_what_its_parent_can_no_longer_read(journal, reader):
    journal.holds(entry(refused(), NOW - 5))
    assert reader.before(ADA, NOW) == 1
    assert reader.before("nonsense", NOW) is None
    assert reader.counted(NOW - 60) == {ADA: 1}


def test_a_child_that_is_late_holds_no_second_alert(journal, reader, monkeypatch):
    monkeypatch.setattr(root_reader, "ANSWER_SECONDS", 0.2)
    journal.holds(entry(refused(), NOW - 5))
    (journal.path / "slow").write_text("1.5")
    waits = []
    wait = reader._await
    monkeypatch.setattr(reader, "_await", lambda number, seconds: waits.append(seconds) or wait(number, seconds))
    assert [reader.before(ADA, NOW) for _time in range(20)] == [None] * 20
    assert waits == [0.2] + [0.0] * 19
    (journal.path / "slow").unlink()
    assert wait_for(lambda: reader.before(ADA, NOW + 1)), "it is asked again once it has answered"


def test_a_child_tells_the_comment_of_a_key_and_nothing_that_fails(reader, monkeypatch):
    assert reader.comment_of("SHA256:x", "no-such-user") is None
    assert reader.comment_of(["x"], {}) is None
    assert reader._ask(["no such question"], 1.0) is None


def test_a_child_that_has_ended_is_no_answer(journal):
    reader = RootReader()
    os.kill(reader._child, 9)
    time.sleep(0.1)
    assert reader.before(ADA, NOW) is None
    reader.close()


def test_it_holds_no_descriptor_that_another_child_waits_for(journal):
    overflow.keep("1763884862.123456-4242", b"x")
    remover = overflow.Remover()
    reader = RootReader()
    os.close(remover._pipe)
    until = time.monotonic() + 5
    while not os.waitpid(remover._child, os.WNOHANG)[0]:
        assert time.monotonic() < until, "it waits for the end of a pipe"
        time.sleep(0.01)
    assert reader.before(ADA, NOW) == 0
    reader.close()


def test_it_ends_with_its_parent(journal):
    reader = RootReader()
    reader._socket.close()
    assert os.waitpid(reader._child, 0)[1] == 0
