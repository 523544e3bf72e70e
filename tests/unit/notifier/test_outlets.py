# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""outlets: each channel has a place that only root can replace, and what waits at one that is gone is not lost."""

import os
import stat

import pytest
from parts import WEBHOOK, alert, configuration, raw_alert
from ssh_login_notify import outlets


def everything(spool):
    """The files of a spool, without the places of its own queue."""
    found = []
    for directory, _, files in os.walk(spool.path("channels")):
        found += [os.path.relpath(os.path.join(directory, name), spool.path("channels")) for name in files]
    return sorted(found)


@pytest.fixture
def spool(spool):
    os.mkdir(spool.path("channels"), 0o2750)
    os.chmod(spool.path("channels"), 0o2750)
    return spool


@pytest.mark.parametrize("mask", [0o077, 0o022, 0])
def test_a_place_is_created_with_the_rights_of_the_spools_own_queue(spool, mask):
    before = os.umask(mask)
    try:
        outlets.prepare(spool, ["ops", "audit"])
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert outlets.names(spool) == ["audit", "ops"]
    place = outlets.place(spool, "ops")
    modes = {name: oct(os.stat(place.path(name)).st_mode & 0o7777) for name in ("", *outlets.DIRECTORIES)}
    assert modes == {"": "0o2750", "outgoing": "0o2770", "failed": "0o2770", "state": "0o2770"}


def test_a_place_that_is_there_stays_as_it_is(spool):
    outlets.prepare(spool, ["ops"])
    place = outlets.place(spool, "ops")
    place.write("outgoing", alert(1)["id"], raw_alert(1), 0o640)
    outlets.prepare(spool, ["ops"])
    assert place.read("outgoing", alert(1)["id"]) == raw_alert(1)


def test_what_waits_at_a_channel_that_is_gone_goes_back_to_the_queue(spool):
    outlets.prepare(spool, ["ops", "audit"])
    place = outlets.place(spool, "ops")
    place.write("outgoing", alert(1)["id"], raw_alert(1), 0o640)
    place.write("failed", alert(2)["id"], raw_alert(2), 0o640)
    place.write("failed", alert(2)["id"] + ".answer", b"404\n", 0o640)
    place.write("state", "sender.json", b"{}", 0o640)
    outlets.Lock(place.path(outlets.LOCK))
    outlets.prepare(spool, ["audit"])
    assert outlets.names(spool) == ["audit"]
    assert spool.read("outgoing", alert(1)["id"]) == raw_alert(1)
    assert spool.read("failed", alert(2)["id"]) == raw_alert(2)
    assert spool.read("failed", alert(2)["id"] + ".answer") == b"404\n"


def test_a_link_that_the_service_user_leaves_there_is_removed_and_not_followed(spool, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("x")
    outlets.prepare(spool, ["ops"])
    os.symlink(str(precious), spool.path("channels", "ops", "state", "sender.json"))
    os.symlink(str(precious), spool.path("channels", "ops", "outgoing", "x"))
    outlets.prepare(spool, [])
    assert outlets.names(spool) == []
    assert precious.read_text() == "x"


def test_without_the_directory_nothing_has_a_place(tmp_path, spool):
    os.rmdir(spool.path("channels"))
    assert outlets.names(spool) == []
    outlets.prepare(spool, [])
    with pytest.raises(FileNotFoundError):
        outlets.prepare(spool, ["ops"])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"name": "a"}], True),
        ([{"name": "a", "only": [], "ignore": [], "notices": True}], True),
        ([{"name": "a", "only": [{"user": "x"}]}], False),
        ([{"name": "a", "ignore": [{"user": "x"}]}], False),
        ([{"name": "a", "notices": False}], False),
        ([{"name": "a"}, {"name": "b"}], False),
    ],
)
def test_one_channel_that_takes_everything_needs_no_place(entries, expected):
    assert outlets.is_one(entries) is expected


def test_a_place_belongs_to_its_maker(spool):
    outlets.prepare(spool, ["ops"])
    status = os.stat(spool.path("channels", "ops"))
    assert stat.S_ISDIR(status.st_mode)
    assert status.st_uid == os.geteuid()


def test_a_channel_that_can_not_be_used_says_why_and_has_its_place(spool):
    outlets.prepare(spool, ["ops"])
    found = configuration(ca_file="/nonexistent")
    outlet = outlets.Outlet(spool, {"name": "ops", "kind": "slack", "url": WEBHOOK}, found)
    assert outlet.channel is None
    assert "can't be used" in outlet.fault
    assert "not-a-real-secret" not in outlet.fault
