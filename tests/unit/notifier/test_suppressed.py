# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""suppressed: journald's report of how many of sshd's lines it has dropped."""

import json
import os

import parts
import pytest
from ssh_login_notify import sshd_log, suppressed


def says(root, monkeypatch, *entries):
    """Set up a journal with these entries, for a query for journald's own about dropped messages of the last hour."""
    lines = [json.dumps({"MESSAGE": text, "__REALTIME_TIMESTAMP": str(at)}) for text, at in entries]
    needed = ["MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e", "_TRANSPORT=driver"]
    program = (
        "import sys\nassert any(w[:8] == '--since=' for w in sys.argv)\n"
        "if '_TRANSPORT=syslog' in sys.argv:\n    raise SystemExit\n"  # whether sshd has logged in the unit: no
        f"assert set({needed}) <= set(sys.argv)\n"
    )
    parts.make_journal(root, monkeypatch, program + f"print({chr(10).join(lines)!r})\n")


def test_all_that_was_dropped_is_counted(tmp_path, monkeypatch):
    first, second = "Suppressed 12 messages from ssh.service", "Suppressed 30 messages from sshd@3.service"
    says(tmp_path, monkeypatch, (first, 5), (second, 9))
    found = suppressed.lately()
    assert (found.count, found.unit, found.last) == (42, "sshd@3.service", 9)


def test_a_quick_look_reads_only_what_journald_writes_to_now(tmp_path, monkeypatch):
    program = (
        "import json, sys\n"
        "text = 'Suppressed %d messages from ssh.service' % len([word for word in sys.argv if word[:7] == '--file='])\n"
        "print(json.dumps({'MESSAGE': text, '__REALTIME_TIMESTAMP': '5'}))\n"
    )
    parts.make_journal(tmp_path, monkeypatch, program)
    assert suppressed.lately(is_quick=True).count == 1
    assert suppressed.lately() is None, "of no file, which is all of them"
    os.unlink(str(tmp_path / "journals" / "abc" / "system.journal"))
    assert suppressed.lately(is_quick=True) is None


@pytest.mark.parametrize(
    "text",
    [
        "Suppressed 12 messages from cron.service", "Suppressed 12 messages from ssh-login-notify.service",
        "Suppressed 12 messages from /system.slice/ssh-login-notify.service",
        "Suppressed 12 messages from ssh.service and more", "Suppressed many messages from ssh.service", "",
    ],
)  # fmt: skip
def test_other_units_and_other_words_count_for_nothing(tmp_path, monkeypatch, text):
    says(tmp_path, monkeypatch, (text, 5))
    assert suppressed.lately() is None


@pytest.mark.parametrize(
    ("unit", "is_sshds"),
    [
        ("ssh.service", True), ("sshd.service", True), ("ssh@0-192.0.2.1:22-192.0.2.2:5.service", True),
        ("sshd@3.service", True), ("sshd-vsock@1.service", True), ("sshd-second.service", True),
        ("bastion.service", True), ("ssh-2.service", True), ("session-5.scope", False),
        *((f"{name}.service", False) for name in ("autossh-tunnel", "autossh@db", "sshguard", "sshfs-backup")),
        *((f"{name}.service", False) for name in ("ssh-agent", "openssh-exporter", "ssh_exporter", "ssh-tunnel@db")),
    ],
)  # fmt: skip
def test_a_unit_is_one_of_sshd_by_its_name_or_because_sshd_has_logged_in_it(tmp_path, monkeypatch, unit, is_sshds):
    dropped = {"MESSAGE": f"Suppressed 12 messages from {unit}", "__REALTIME_TIMESTAMP": "5"}
    line = {
        "MESSAGE": "Server listening on 0.0.0.0 port 2222.", "_PID": "7", "SYSLOG_PID": "7", "_UID": "0",
        "_TRANSPORT": "syslog", "__REALTIME_TIMESTAMP": "5",
    }  # fmt: skip
    others = [dict(line, _EXE="/usr/sbin/sshd", _SYSTEMD_UNIT=name) for name in ("bastion.service", "ssh-2.service")]
    others += [dict(line, _EXE="/usr/sbin/sshd", _SYSTEMD_UNIT="session-5.scope")]
    others += [dict(line, _EXE="/usr/bin/logger", _SYSTEMD_UNIT="autossh@db.service")]
    lines = "\n".join(map(json.dumps, others))
    program = f"import sys\nprint({json.dumps(dropped)!r} if '_TRANSPORT=driver' in sys.argv else {lines!r})\n"
    parts.make_journal(tmp_path, monkeypatch, program)
    found = suppressed.lately()
    assert (found and found.unit) == (unit if is_sshds else None)


def test_a_journalctl_that_prints_all_fields_is_understood(tmp_path, monkeypatch):
    """Before systemd 236, as on Amazon Linux 2, it has no --output-fields, and journald names control groups."""
    text = "Suppressed 12 messages from /system.slice/sshd.service"
    line = json.dumps({"MESSAGE": text, "__REALTIME_TIMESTAMP": "5", "_PID": "1"})
    refuses = "import sys\nif any(word.startswith('--output-fields') for word in sys.argv):\n    raise SystemExit(1)\n"
    parts.make_journal(tmp_path, monkeypatch, refuses + f"print({line!r})\n")
    found = suppressed.lately()
    assert (found.count, found.unit) == (12, "sshd.service")


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "import time\ntime.sleep(60)"])
def test_a_journal_that_fails_or_takes_too_long_does_not_say_that_nothing_was_dropped(tmp_path, monkeypatch, program):
    parts.make_journal(tmp_path, monkeypatch, program)
    monkeypatch.setattr(suppressed, "ANSWER_SECONDS", 0.3)
    with pytest.raises(OSError, match=r"has failed|timed out"):
        suppressed.lately()


def test_without_a_journal_nothing_was_dropped(tmp_path, monkeypatch):
    parts.make_journal(tmp_path, monkeypatch, "raise SystemExit(3)")
    monkeypatch.setattr(sshd_log, "JOURNALS", ())
    assert suppressed.lately() is None


def test_damaged_entries_are_left_out(tmp_path, monkeypatch):
    parts.make_journal(tmp_path, monkeypatch, "print('[]')\nprint('x')\nprint('{\"MESSAGE\": [1]}')")
    assert suppressed.lately() is None
