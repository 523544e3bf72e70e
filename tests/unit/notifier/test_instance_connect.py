# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance_connect: a key belongs to EC2 Instance Connect only if its own program says so."""

import json
import pwd
from collections import namedtuple

import parts
import pytest
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import context, ec2, instance_connect, lookups, root_reader, sshd_log
from ssh_login_notify.root_reader import RootReader

NOW = 1763884801.0
UID = 991
ARN = "arn:aws:sts::123456789012:assumed-role/admin/ada@example.org"
SAYS = f"Providing ssh key from EC2 Instance Connect with fingerprint: {FINGERPRINT}"
WHOLE = f"{SAYS}, request-id: 8f4b6a52-0000-4000-8000-00000000beef, for IAM principal: {ARN}"
Account = namedtuple("Account", ("pw_uid",))


def entry(message, uid=UID, transport="syslog"):
    return {"MESSAGE": message, "_UID": str(uid), "_TRANSPORT": transport, "__CURSOR": "x"}


@pytest.fixture
def journal(tmp_path, monkeypatch):
    program = (
        "import sys\n"
        f"open({str(tmp_path / 'asked')!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        f"print(open({str(tmp_path / 'entries')!r}).read(), end='')\n"
    )
    parts.make_journal(tmp_path, monkeypatch, program)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {instance_connect.USER: Account(UID)}[name])

    def holds(*entries):
        (tmp_path / "entries").write_text("".join(json.dumps(found) + "\n" for found in entries))
        return tmp_path

    holds()
    return holds


@pytest.mark.parametrize(
    ("message", "principal"),
    [(WHOLE, ARN), (SAYS, ""), (f"{SAYS}, request-id: 1-2", ""), (f"{SAYS}, for IAM principal: {ARN}", ARN)],
)
def test_what_its_program_logs_tells_who_has_sent_the_key(journal, message, principal):
    place = journal(entry("Querying EC2 Instance Connect keys for matching fingerprint: x"), entry(message))
    assert instance_connect.principal(FINGERPRINT, NOW) == principal
    asked = (place / "asked").read_text().split("\n")
    assert {"_UID=991", "_TRANSPORT=syslog", "--since=@1763884621", "--until=@1763884802"} < set(asked)


@pytest.mark.parametrize(
    "found",
    [
        entry(WHOLE, uid=1000),
        entry(WHOLE, uid=0),
        entry(WHOLE, transport="stdout"),
        entry(WHOLE.replace(FINGERPRINT, "SHA256:" + "B" * 43)),
        entry("x " + WHOLE),
        entry(WHOLE + "\nx"),
        entry(WHOLE + " and another"),
        entry([80, 81]),
        {"MESSAGE": WHOLE},
        [],
    ],
)
def test_nobody_elses_words_count(journal, found):
    journal(found)
    assert instance_connect.principal(FINGERPRINT, NOW) is None


def test_where_there_is_no_journal_no_log_file_is_read(journal, monkeypatch, tmp_path):
    journal(entry(WHOLE))
    monkeypatch.setattr(sshd_log, "JOURNALS", ())
    (tmp_path / "auth.log").write_text(WHOLE)
    monkeypatch.setattr(sshd_log, "LOG_FILES", (str(tmp_path / "auth.log"),))
    assert instance_connect.principal(FINGERPRINT, NOW) is None


def test_an_account_that_is_missing_or_roots_is_none(monkeypatch):
    assert not instance_connect.is_here()
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: Account(0))
    assert not instance_connect.is_here()


def test_the_sender_asks_a_child_that_is_still_root(journal, spool, monkeypatch):
    journal(entry(WHOLE))
    # The tests' journalctl is a Python program, which starts slowly on a busy machine.
    monkeypatch.setattr(instance_connect, "READ_SECONDS", 30.0)
    monkeypatch.setattr(root_reader, "LOOKUP_ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(lookups, "looks_like_ec2", lambda: True)
    instance = {"id": "i-0123456789abcdef0", "name": "", "region": "eu-central-1", "account": "123456789012"}
    monkeypatch.setattr(ec2, "of_this_host", lambda _spool: instance)
    reader = RootReader()
    try:
        found = lookups.Lookups(configuration(), spool, reader.sender_of_key)
        told = found.add(alert(time=NOW))
        assert context.instance_connect(told) == ARN
        other = found.add(alert(methods=[{"method": "publickey", "fingerprint": "SHA256:" + "B" * 43}]))
        assert context.instance_connect(other) is None
        assert context.instance_connect(found.add(alert(methods=[{"method": "password"}]))) is None
    finally:
        reader.close()
