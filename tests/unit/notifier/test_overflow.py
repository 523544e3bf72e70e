# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overflow: alerts that the spool rejects wait elsewhere, for root only, and return complete and once."""

import os
import stat

import pytest
from parts import DIRECTORIES, needs_root
from ssh_login_notify import overflow, paths

NAME = "1763884862.123456-4242"
LATER = "1763884862.123457-9"


def test_at_first_nothing_is_there(spool):
    assert overflow.names() == []
    overflow.bring_back(spool)
    assert not os.path.exists(paths.OVERFLOW)


def test_kept_alerts_belong_to_root_and_return_in_order(spool):
    for name in (LATER, NAME):
        overflow.keep(name, name.encode())
    assert overflow.names() == [NAME, LATER]
    assert stat.S_IMODE(os.stat(paths.OVERFLOW).st_mode) == 0o700
    overflow.bring_back(spool)
    assert overflow.names() == []
    assert [spool.read("outgoing", name) for name in spool.names("outgoing")] == [NAME.encode(), LATER.encode()]
    assert os.path.exists(spool.path("state", "wake"))


def test_a_message_of_a_check_is_here_only_if_the_spool_rejects_it(spool, monkeypatch):
    overflow.queue(spool, NAME, b"x")
    assert (spool.names("outgoing"), overflow.names()) == ([NAME], [])

    def full(*_values, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "write", full)
    overflow.queue(spool, LATER, b"y")
    assert (spool.names("outgoing"), overflow.names()) == ([NAME], [LATER])


def test_alerts_that_the_spool_still_rejects_stay(spool, monkeypatch):
    for name in (LATER, NAME):
        overflow.keep(name, b"x")
    write = spool.write

    def room_for_one(directory, name, *values, **more):
        if name == LATER:
            raise OSError(28, "No space left on device")
        write(directory, name, *values, **more)

    monkeypatch.setattr(spool, "write", room_for_one)
    with pytest.raises(OSError, match="No space"):
        overflow.bring_back(spool)
    assert (spool.names("outgoing"), overflow.names()) == ([NAME], [LATER])


def test_a_capture_that_a_disk_has_kept_makes_no_second_alert(spool):
    spool.write("incoming", NAME, b"capture", 0o600)
    overflow.keep(NAME, b"alert")
    overflow.bring_back(spool)
    assert {name: spool.names(name) for name in DIRECTORIES if spool.names(name)} == {"outgoing": [NAME]}


def test_it_does_not_fill_the_memory(spool, monkeypatch):
    monkeypatch.setattr(overflow, "MOST_ALERTS", 1)
    overflow.keep(NAME, b"x")
    with pytest.raises(OSError, match="1 alerts are there already"):
        overflow.keep(LATER, b"x")


@needs_root
@pytest.mark.parametrize("foreign", ["owner", "mode", "link"])
def test_a_place_that_others_may_write_is_not_trusted(spool, foreign, tmp_path):
    os.mkdir(paths.OVERFLOW)
    if foreign == "owner":
        os.chown(paths.OVERFLOW, 65534, 65534)
    elif foreign == "mode":
        os.chmod(paths.OVERFLOW, 0o777)
    else:
        os.rename(paths.OVERFLOW, str(tmp_path / "elsewhere"))
        os.symlink(str(tmp_path / "elsewhere"), paths.OVERFLOW)
    with pytest.raises(OSError, match="users other than root can write to it"):
        overflow.keep(NAME, b"x")


def test_it_wakes_the_sender_until_that_begins(spool):
    overflow.keep(NAME, b"x")
    assert os.path.exists(os.path.join(paths.OVERFLOW, overflow.WAKE))
    overflow.stop_waking()
    assert os.listdir(paths.OVERFLOW) == [NAME]
    overflow.stop_waking()


def test_a_directory_in_the_place_of_its_sign_is_set_aside(spool):
    """Otherwise systemd would start the sender endlessly."""
    os.makedirs(os.path.join(paths.OVERFLOW, overflow.WAKE, "deep"))
    overflow.stop_waking()
    assert not os.path.lexists(os.path.join(paths.OVERFLOW, overflow.WAKE))
    assert len(os.listdir(paths.OVERFLOW)) == 1


def test_a_wake_up_file_that_can_not_be_removed_is_an_error(spool, monkeypatch):
    def refuse(path):
        raise OSError(30, "Read-only file system", path)

    overflow.keep(NAME, b"x")
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only"):
        overflow.stop_waking()
