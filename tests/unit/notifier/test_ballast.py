# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ballast: on a full disk as many alerts are kept as there is ballast, and lost ones are counted."""

import errno
import os
import stat

import pytest
from ssh_login_notify import alert, ballast, finisher, outbox, overflow
from ssh_login_notify.spool import ALERT_MODE
from ssh_login_notify.state import State

NAME = "1763884862.123456-4242"
CAPTURE = b"capture=1\0parent=0\0parent_stat=\0\0PAM_USER=deploy\0PAM_SERVICE=sshd\0"


@pytest.fixture
def full(spool, monkeypatch):
    """A full disk: nothing can be created or grow, but existing files can be overwritten."""
    ballast.refill(spool)
    real = os.open

    def refuse(path, flags, *more, **options):
        if flags & os.O_CREAT and not os.path.exists(path):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(outbox, "start_sender", lambda _spool: None)
    return spool


def test_it_is_made_once_and_whole(spool):
    ballast.refill(spool)
    names = os.listdir(spool.path("ballast"))
    assert len(names) == ballast.FILES + 1
    made = {name: os.stat(spool.path("ballast", name)).st_ino for name in names}
    ballast.refill(spool)
    assert {name: os.stat(spool.path("ballast", name)).st_ino for name in names} == made
    assert os.stat(spool.path("ballast", "7")).st_blocks * 512 >= ballast.SIZE_BYTES
    assert spool.unexpected() == []


def test_a_login_on_a_full_disk_is_an_alert_without_a_new_block_or_inode(full, said):
    inodes = {os.stat(full.path("ballast", name)).st_ino for name in os.listdir(full.path("ballast"))}
    finisher.finish(full, {NAME: CAPTURE}, NAME, "rsync")
    assert full.names("outgoing") == [NAME]
    assert alert.from_json(full.read("outgoing", NAME))["user"] == "deploy"
    status = os.stat(full.path("outgoing", NAME))
    assert stat.S_IMODE(status.st_mode) == ALERT_MODE
    assert status.st_ino in inodes
    assert os.path.exists(full.path("state", "wake")), "there is no inode for another sign"
    assert ballast.lost(full) == 0
    assert "was not queued" not in str(said)
    assert os.listdir(full.path("incoming")) == []


def test_used_ballast_is_replaced_when_there_is_space(spool, monkeypatch):
    ballast.refill(spool)
    ballast.stage(spool, NAME, b"x")
    ballast.refill(spool)
    assert len(os.listdir(spool.path("ballast"))) == ballast.FILES + 1


def test_one_that_a_kill_left_cut_short_is_made_again(spool):
    ballast.refill(spool)
    os.truncate(spool.path("ballast", "3"), 17)
    ballast.refill(spool)
    assert os.stat(spool.path("ballast", "3")).st_size == ballast.SIZE_BYTES


def test_without_any_the_lost_are_counted_and_the_next_message_tells_how_many(full, said, monkeypatch):
    for number in range(ballast.FILES):
        os.unlink(full.path("ballast", str(number)))
    for number in range(3):
        name = f"{NAME}{number}"
        finisher.finish(full, {name: CAPTURE}, name, "rsync")
    assert ballast.lost(full) == 3
    ballast.report_lost(full)
    assert ballast.lost(full) == 3, "that can't be written down while the disk is full"
    monkeypatch.undo()
    ballast.report_lost(full)
    assert ballast.lost(full) == 0
    assert State(full).untold == 3


def test_a_capture_that_is_in_the_spool_is_not_lost_but_stays(full, said):
    for number in range(ballast.FILES):
        os.unlink(full.path("ballast", str(number)))
    os.mknod(full.path("incoming", NAME))
    with open(full.path("incoming", NAME), "wb") as file:
        file.write(CAPTURE)
    finisher.finish(full, {}, NAME, "rsync")
    assert full.names("incoming") == [NAME]
    assert ballast.lost(full) == 0


def test_an_alert_that_is_too_long_for_it_takes_none(spool):
    ballast.refill(spool)
    with pytest.raises(OSError, match="too long"):
        ballast.stage(spool, NAME, b"x" * (ballast.SIZE_BYTES + 1))
    assert len(os.listdir(spool.path("ballast"))) == ballast.FILES + 1


def test_two_that_take_one_at_once_get_different_ones(spool, monkeypatch):
    ballast.refill(spool)
    names = ballast._names(spool)
    monkeypatch.setattr(ballast, "_names", lambda _spool: names)
    ballast.stage(spool, NAME, b"first")
    ballast.stage(spool, NAME + "1", b"second")
    assert [spool.read("incoming", name + ".alert") for name in (NAME, NAME + "1")] == [b"first", b"second"]


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_count_that_is_damaged_is_none_and_is_made_again(spool, damage):
    ballast.refill(spool)
    if damage is None:
        os.unlink(spool.path("ballast", ballast.LOST))
    else:
        with open(spool.path("ballast", ballast.LOST), "wb") as file:
            file.write(damage)
    assert ballast.lost(spool) == 0
    ballast.count_lost(spool)
    ballast.refill(spool)
    ballast.count_lost(spool)
    assert ballast.lost(spool) == 1


def test_a_spool_without_it_does_without(spool):
    os.rmdir(spool.path("ballast"))
    ballast.refill(spool)
    ballast.count_lost(spool)
    ballast.wake(spool)
    assert ballast.lost(spool) == 0
    spool.clear_unfinished()
    with pytest.raises(OSError, match="No such file"):
        ballast.stage(spool, NAME, b"x")


def test_the_one_elsewhere_comes_first(full, said, monkeypatch):
    """Memory is lost at a restart, but it is endless in comparison."""
    kept = []
    monkeypatch.setattr(overflow, "keep", lambda name, _contents: kept.append(name))
    finisher.finish(full, {NAME: CAPTURE}, NAME, "rsync")
    assert kept == [NAME]
    assert len(os.listdir(full.path("ballast"))) == ballast.FILES + 1
