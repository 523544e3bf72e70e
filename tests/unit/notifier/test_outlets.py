# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""outlets: each channel has a directory that only root can replace, and alerts in one that is gone are not lost."""

import os
import stat

import pytest
from parts import WEBHOOK, alert, configuration, raw_alert
from ssh_login_notify import outlets
from ssh_login_notify.state import State


def everything(spool):
    """Return the files of a spool, without the directories of its own queue."""
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


def put(spool, channel, number, directory="outgoing", **more):
    outlets.place(spool, channel).write(directory, alert(number)["id"], raw_alert(number, **more), 0o640)


def waiting(spool):
    return spool.names("outgoing")


def ids(*numbers):
    return [alert(number)["id"] for number in numbers]


def test_what_a_channel_that_is_left_was_given_as_well_does_not_come_back(spool):
    """It has the alert in its own queue, or has sent it."""
    outlets.prepare(spool, ["ops", "audit", "pager"])
    put(spool, "ops", 1, routed=["ops", "audit"])
    put(spool, "ops", 2, routed=["ops"])
    put(spool, "ops", 3, routed=["ops", "pager"], directory="failed")
    outlets.prepare(spool, ["audit"])
    assert waiting(spool) == ids(2)
    assert spool.names("failed") == ids(3), "the other one is gone, too"


def test_the_only_channel_that_is_left_gets_what_waits_for_it_and_nothing_twice(spool):
    outlets.prepare(spool, ["webhook", "ops"])
    put(spool, "webhook", 2, routed=["webhook", "ops"])
    for number in (1, 2, 3):
        put(spool, "ops", number, routed=["webhook", "ops"])
    outlets.place(spool, "webhook").write("state", "channel.json", b"{}", 0o640)
    outlets.prepare(spool, [], ["webhook"])
    assert waiting(spool) == ids(2), "it has sent the others"
    assert spool.read("state", "channel.json") == b"{}"
    assert outlets.names(spool) == []


@pytest.mark.parametrize("contents", [b"", b"[]", b'{"routed": 1}', b"\xff"])
def test_a_damaged_alert_comes_back_and_is_dealt_with_there(spool, contents):
    outlets.prepare(spool, ["ops", "audit"])
    outlets.place(spool, "ops").write("outgoing", ids(1)[0], contents, 0o640)
    outlets.prepare(spool, ["audit"])
    assert waiting(spool) == ids(1)


def test_what_it_had_dropped_is_still_reported(spool):
    outlets.prepare(spool, ["ops", "audit"])
    State(outlets.place(spool, "ops")).dropping(3)
    outlets.prepare(spool, ["audit"])
    assert (State(spool).untold, State(spool).dropped) == (3, 0)


def test_a_place_that_can_not_be_given_up_holds_up_no_other(spool, said):
    outlets.prepare(spool, ["ops", "old"])
    put(spool, "old", 1)
    os.mkdir(spool.path("channels", "old", "state", "sender.json"))
    outlets.prepare(spool, ["audit"])
    assert waiting(spool) == ids(1)
    assert outlets.names(spool) == ["audit", "old"]
    assert any("the channel old is no longer used, and can't be removed" in sentence for _priority, sentence in said)
