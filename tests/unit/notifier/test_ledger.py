# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ledger: every login that the finisher has seen has a line, whatever becomes of its alert, and the file is bounded."""

import os

import parts
import pytest
from ssh_login_notify import finisher, ledger, outbox, overflow, paths, summary
from ssh_login_notify.queue import enforce_limits
from ssh_login_notify.state import State

NAME = "1763884862.123456-4242"
DAY = ledger.day_of(1763884862)
CAPTURE = (
    b"capture=1\0parent=77\0parent_stat=\0\0SSH_CONNECTION=203.0.113.50 45006 192.0.2.2 22\0"
    b"PAM_USER=DOM\\ada lovelace\0PAM_SERVICE=sshd\0PAM_TTY=ssh\0"
)


def known(spool):
    return [(e.id, e.pid, e.address, e.port, e.service, e.user) for e in ledger.Day(spool, DAY).all()]


@pytest.fixture
def capture(spool):
    parts.Path(spool.path("incoming", NAME)).write_bytes(CAPTURE)


def finish(spool, unkept=None):
    finisher.finish(spool, unkept or {}, NAME, "rsync")


def test_a_login_is_known_by_its_process_its_client_and_its_user(spool, capture):
    finish(spool)
    (found,) = known(spool)
    assert found[:5] == (NAME, 77, "203.0.113.50", 45006, "sshd")
    assert found[5].endswith("ada lovelace")
    assert os.stat(spool.path("ledger", str(DAY))).st_mode & 0o777 == 0o600


def test_it_is_known_before_its_alert_can_leave(spool, capture, monkeypatch):
    def kill(*_unused):
        raise KeyboardInterrupt

    monkeypatch.setattr(outbox, "put", kill)
    with pytest.raises(KeyboardInterrupt):
        finish(spool)
    assert [found[0] for found in known(spool)] == [NAME]


def test_a_login_that_is_finished_twice_is_one(spool, capture):
    finish(spool)
    parts.Path(spool.path("incoming", NAME)).write_bytes(CAPTURE)
    finish(spool)
    assert len(known(spool)) == 1


def test_where_the_spool_has_no_room_the_line_is_in_run(spool, capture):
    os.rmdir(spool.path("ledger"))
    finish(spool)
    assert os.path.isfile(os.path.join(paths.OVERFLOW, "ledger"))
    assert [found[0] for found in known(spool)] == [NAME]
    assert overflow.names() == []


def test_where_nothing_has_room_the_system_log_says_so_and_the_alert_goes_on(spool, capture, said, monkeypatch):
    os.rmdir(spool.path("ledger"))
    parts.Path(paths.OVERFLOW).write_text("in the way")
    finish(spool)
    assert spool.names("outgoing") == [NAME]
    assert any("ledger has no room" in sentence and NAME in sentence for _priority, sentence in said)


def test_an_alert_that_had_no_room_is_known_as_lost(spool, monkeypatch, said):
    def full(*_unused):
        raise OSError("no room")

    monkeypatch.setattr(outbox, "put", full)
    finish(spool, {NAME: CAPTURE})
    assert ledger.Day(spool, DAY).ends == {NAME: ledger.LOST}


@pytest.mark.parametrize("junk", [b"", b"x", b"\n\n", b"1 2 3\n", b"no-id 1 - 0 sshd ada\n", b"\xff\xfe 1 - 0 s u\n"])
def test_what_a_full_disk_cut_off_costs_no_other_line(spool, capture, junk):
    parts.Path(spool.path("ledger", str(DAY))).write_bytes(junk + b"\n1763884862.000001-1 77 203.0.11")
    finish(spool)
    assert [found[0] for found in known(spool)] == [NAME]


def test_a_day_has_a_limit_and_says_so(spool, capture, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_DAY_BYTES", 10)
    parts.Path(spool.path("ledger", str(DAY))).write_bytes(b"x" * 10)
    finish(spool)
    assert os.path.getsize(spool.path("ledger", str(DAY))) == 10
    assert ledger.Day(spool, DAY).is_full


def test_a_link_is_not_followed(spool, capture, tmp_path):
    target = tmp_path / "target"
    target.write_text("")
    os.symlink(str(target), spool.path("ledger", str(DAY)))
    finish(spool)
    assert target.read_text() == ""


@pytest.mark.parametrize("how", [summary.IGNORED, summary.MUTED, summary.FOLDED])
def test_a_login_without_a_message_has_its_end(spool, how):
    summary.count(spool, NAME, how, "a rule")
    assert ledger.Day(spool, DAY).ends == {NAME: how}


def test_a_delivery_and_a_drop_are_ends(spool):
    State(spool).delivered([{"id": NAME}])
    assert ledger.Day(spool, DAY).ends == {NAME: ledger.REPORTED}
    spool.write("outgoing", NAME, b"x", 0o640)
    enforce_limits(spool, State(spool), 0, 1)
    assert ledger.Day(spool, DAY).ends == {NAME: ledger.DROPPED}


def test_the_service_user_can_make_no_login_known(spool):
    parts.Path(spool.path("state", f"ends-{DAY}")).write_text(f"{NAME} 77 203.0.113.50 45006 sshd ada\n{NAME} lost\n")
    day = ledger.Day(spool, DAY)
    assert not day.entries
    assert not day.ends


def test_old_days_go_and_the_oldest_beyond_the_limit(spool, monkeypatch):
    now = float(DAY)
    monkeypatch.setattr(ledger, "MOST_BYTES", 25)
    for ago in (0, 1, 2, 50):
        parts.Path(spool.path("ledger", str(DAY - ago * 86400))).write_bytes(b"x" * 10)
        parts.Path(spool.path("state", f"ends-{DAY - ago * 86400}")).write_bytes(b"")
    ledger.prune(spool, now)
    ledger.prune_ends(spool, now)
    assert sorted(os.listdir(spool.path("ledger"))) == [str(DAY - 86400), str(DAY)]
    assert f"ends-{DAY - 50 * 86400}" not in os.listdir(spool.path("state"))
    assert spool.unexpected() == []


def test_each_record_of_ends_that_the_spool_expects_is_removed_when_it_is_old(spool):
    """One rule for both, or such a file would stay for ever, and `status` would not report it."""
    parts.Path(spool.path("state", "ends-0000000000001")).write_bytes(b"")
    assert spool.unexpected() == []
    ledger.prune_ends(spool, float(DAY))
    assert os.listdir(spool.path("state")) == []


def test_lines_in_run_go_back_to_the_spool_and_are_known_all_the_time(spool, capture):
    os.rmdir(spool.path("ledger"))
    finish(spool)
    os.mkdir(spool.path("ledger"))
    for _look in range(3):
        assert [found[0] for found in known(spool)] == [NAME]
        ledger.bring_back(spool)
    assert [found[0] for found in known(spool)] == [NAME]
    assert os.listdir(spool.path("ledger")) == [str(DAY)]
    assert not [name for name in os.listdir(paths.OVERFLOW) if name.startswith("ledger")]
