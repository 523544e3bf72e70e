# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mutes: only what a window names in full is muted, only root opens one, and its end is always reported."""

import json
import os
import stat
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration, needs_root
from ssh_login_notify import cli, config, exit_codes, identity, mutes, own_connection
from ssh_login_notify.channels import slack
from ssh_login_notify.mutes import MuteError, Mutes
from ssh_login_notify.spool import MUTES
from ssh_login_notify.triage import Triage
from ssh_login_notify.weights import FIRST, ROOT, WEIGHTS

NOW = 1763884800.0
OTHER_KEY = "SHA256:" + "x" * 43
OWN = {"user": "deploy", "address": "203.0.113.50", "key": "publickey " + FINGERPRINT}


@pytest.fixture
def clock(monkeypatch):
    """The time, which the tests set."""

    class Clock:
        now = NOW

    monkeypatch.setattr(time, "time", lambda: Clock.now)
    return Clock


@pytest.fixture(autouse=True)
def _nothing_else_runs(monkeypatch, said):
    """Keep tests from starting a sender, and from reading this machine's configuration."""
    from ssh_login_notify import outbox

    monkeypatch.setattr(outbox, "start_sender", lambda _spool: None)
    monkeypatch.setattr(config, "load", missing)


def missing():
    raise config.ConfigurationError("missing")


@pytest.fixture
def own(monkeypatch):
    """The identity of this connection, which the tests change."""
    facts = dict(OWN)
    monkeypatch.setattr(own_connection, "find", lambda _spool, _muted: dict(facts))
    return facts


@pytest.fixture
def opened(spool, clock, own):
    """A window of ten minutes."""
    return mutes.open_window(spool, 10, "deploy 4711").window


def messages(spool):
    return [json.loads(spool.read("outgoing", name).decode()) for name in spool.names("outgoing")]


def sentences(spool):
    return [message["notes"][0] for message in messages(spool)]


def came_in(**changes):
    return alert(**dict({"time": NOW + 60, "id": f"{NOW + 60}-1"}, **changes))


# -- what is muted ----------------------------------------------------------------------------------------------------


def test_a_login_of_the_same_identity_in_the_window_is_muted(spool, opened):
    assert Mutes(spool).window(came_in(), []) == opened


METHODS = {"method": "publickey", "key_type": "ED25519", "fingerprint": FINGERPRINT}


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "root"},
        {"user": "deploy2"},
        {"user": "Deploy"},
        {"user": ""},
        {"address": "203.0.113.5"},
        {"address": "203.0.113.50.1"},
        {"address": "::ffff:203.0.113.50"},
        {"address": ""},
        {"methods": [dict(METHODS, fingerprint=OTHER_KEY)]},
        {"methods": [METHODS, {"method": "password"}]},
        {"methods": [dict(METHODS, method="hostbased")]},
        {"methods": [dict(METHODS, certificate={"key_id": "x", "ca": OTHER_KEY, "serial": 1, "principals": []})]},
        {"methods": [{"method": "password"}]},
        {"methods": []},
        {"time": NOW - 0.001},
        {"time": NOW + 600},
        {"about": "test"},
        {"about": "repeats"},
        {"about": "mute"},
    ],
)
def test_any_other_login_is_not(spool, opened, changes):
    assert Mutes(spool).window(came_in(**changes), []) is None


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_heavy_login_is_never_muted(spool, opened, weight):
    assert Mutes(spool).window(came_in(), [weight]) is None


def test_a_window_that_roots_own_connection_has_opened_covers_root_and_nothing_else(spool, clock, own):
    own["user"] = "root"
    mutes.open_window(spool, 10, "deploy 4711")
    found = Mutes(spool)
    assert found.window(came_in(user="root"), [ROOT])
    assert not found.window(came_in(user="root"), [ROOT, FIRST])
    assert not found.window(came_in(), [ROOT])


TEXTS = st.sampled_from(["deploy", "root", "deploy2", "", "x"]) | st.text(max_size=5)
ADDRESSES = st.sampled_from(["203.0.113.50", "203.0.113.5", "203.0.113.501", "local", ""])
KEYS = st.lists(
    st.fixed_dictionaries(
        {"method": st.sampled_from(["publickey", "password", "hostbased"])},
    )
    | st.fixed_dictionaries(
        {
            "method": st.sampled_from(["publickey", "hostbased"]),
            "fingerprint": st.sampled_from([FINGERPRINT, OTHER_KEY, FINGERPRINT[:-1]]),
        }
    ),
    max_size=2,
)
TIMES = st.sampled_from([NOW - 1, NOW, NOW + 599, NOW + 600]) | st.floats(NOW - 3600, NOW + 7200)
LOGINS = st.fixed_dictionaries({"user": TEXTS, "address": ADDRESSES, "methods": KEYS, "time": TIMES})
SAME = {"user": "deploy", "address": "203.0.113.50", "methods": [METHODS], "time": NOW + 1}
BY_PASSWORD = dict(SAME, methods=[{"method": "password"}])


@given(
    opener=LOGINS,
    login=LOGINS,
    weights=st.sets(st.sampled_from(WEIGHTS), max_size=2),
    paused=TIMES,
    lasts=st.booleans(),
)
@example(opener=SAME, login=SAME, weights=set(), paused=NOW + 2, lasts=True)
@example(opener=SAME, login=dict(SAME, time=NOW + 599), weights=set(), paused=NOW + 2, lasts=False)
@example(opener=SAME, login=dict(SAME, user="deploy2"), weights=set(), paused=NOW, lasts=False)
@example(opener=SAME, login=dict(SAME, address="203.0.113.5"), weights=set(), paused=NOW, lasts=False)
@example(opener=SAME, login=dict(SAME, methods=[]), weights=set(), paused=NOW, lasts=False)
@example(opener=SAME, login=dict(SAME, time=NOW + 600), weights=set(), paused=NOW, lasts=False)
@example(opener=SAME, login=dict(SAME, time=NOW - 1), weights=set(), paused=NOW, lasts=False)
@example(opener=SAME, login=dict(SAME, time=NOW + 3), weights=set(), paused=NOW + 2, lasts=True)
@example(opener=SAME, login=dict(SAME, time=NOW + 2.5), weights=set(), paused=NOW + 2, lasts=False)
@example(opener=BY_PASSWORD, login=BY_PASSWORD, weights=set(), paused=NOW + 2, lasts=True)
@example(opener=SAME, login=SAME, weights={ROOT}, paused=NOW - 9, lasts=False)
def test_no_login_is_muted_that_a_window_does_not_name_in_full(opener, login, weights, paused, lasts):
    first = alert(**opener)
    window = {
        **{name: identity.facts_of(first)[name] for name in mutes.IDENTITY},
        "id": "1-1", "opened_at": NOW, "until": NOW + 600, "minutes": 10, "reason": "x",
        "covers": [ROOT] if first["user"] == "root" else [],
        "pauses": [[paused, None if lasts else paused + 1]],
    }  # fmt: skip
    second = alert(**login)
    if not mutes.matches(window, second, weights):
        return
    assert (first["user"], first["address"]) == (second["user"], second["address"])
    assert first["methods"] == second["methods"]
    assert any(method["method"] == "publickey" and "fingerprint" in method for method in second["methods"])
    assert NOW <= second["time"] < NOW + 600
    assert second["time"] < paused or (not lasts and second["time"] >= paused + 1)
    assert not weights or (weights == {ROOT} and second["user"] == "root")


# -- how a window opens -----------------------------------------------------------------------------------------------


def test_a_window_is_announced_in_one_message_that_names_who_for_how_long_and_why(spool, opened):
    said = f"deploy from 203.0.113.50 by publickey {FINGERPRINT} is muted for 10 minutes: deploy 4711"
    assert sentences(spool) == [said]
    (message,) = messages(spool)
    assert (message["about"], message["id"]) == ("mute", opened["id"])


def test_the_message_begins_with_who_is_muted(spool, opened):
    shown = slack.single(messages(spool)[0], configuration(host_label="web-3"), NOW)
    who = f"deploy from 203.0.113.50 by publickey {FINGERPRINT} is muted for 10 minutes"
    assert shown["blocks"][0]["text"]["text"] == f"web-3: {who}"
    assert shown["text"] == f"web-3: {who}: deploy 4711 · 2025-11-23 08:00:00 UTC"
    fields = [cell["text"] for cell in shown["blocks"][1]["fields"]]
    assert fields == ["*Mute*", "deploy 4711", "*Time*", "2025-11-23 08:00:00 UTC"]


def test_the_announcement_names_the_person(spool, clock, own, monkeypatch):
    monkeypatch.setattr(config, "load", lambda: type("Configuration", (), {"people": {FINGERPRINT: "Ada Lovelace"}}))
    done = mutes.open_window(spool, 1, "x")
    assert "(Ada Lovelace) is muted for a minute: x" in sentences(spool)[0]
    assert not done.warning


def test_whoever_mutes_a_key_that_nobody_knows_is_told_that_it_is_reported_all_the_same(spool, own, monkeypatch):
    monkeypatch.setattr(config, "load", lambda: type("Configuration", (), {"people": {OTHER_KEY: "Ada"}}))
    assert "does not know this key" in mutes.open_window(spool, 1, "x").warning


def test_nothing_is_muted_where_it_cannot_be_announced(spool, clock, own, monkeypatch):
    def full(*_unused):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mutes.outbox, "put", full)
    with pytest.raises(OSError, match="No space"):
        mutes.open_window(spool, 10, "x")
    assert list(mutes.windows(spool)) == []


@pytest.mark.parametrize("minutes", [0, -5, 61, 10**9])
def test_a_window_has_a_longest_length(spool, own, minutes):
    with pytest.raises(MuteError, match="1 to 60 minutes"):
        mutes.open_window(spool, minutes, "x")


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_window_takes_a_reason(spool, own, reason):
    with pytest.raises(MuteError, match="reason"):
        mutes.open_window(spool, 10, reason)


def test_a_second_call_does_not_make_it_longer(spool, clock, opened):
    clock.now = NOW + 300
    again = mutes.open_window(spool, 60, "something else")
    assert (again.window, again.is_changed) == (opened, False)
    assert len(messages(spool)) == 1


def test_another_identity_opens_a_window_of_its_own(spool, clock, opened, own):
    clock.now += 1
    own["address"] = "203.0.113.51"
    assert mutes.open_window(spool, 60, "x").is_changed
    assert [window["until"] for window in mutes.windows(spool)] == [NOW + 600, NOW + 3601]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "password"}, "without a key"),
        ({"key": "not known"}, "without a key"),
        ({"key": "hostbased SHA256:" + "a" * 43}, "without a key"),
        ({"key": "gssapi-with-mic publickey SHA256:x@EXAMPLE.ORG"}, "without a key"),
        ({"address": "local"}, "no address"),
        ({"address": ""}, "no address"),
        ({"user": ""}, "no address"),
    ],
)
def test_what_a_window_cannot_name_exactly_is_refused(spool, own, changes, why):
    own.update(changes)
    with pytest.raises(MuteError, match=why):
        mutes.open_window(spool, 10, "x")
    assert messages(spool) == []


def test_the_number_of_windows_has_a_limit(spool, clock, own, monkeypatch):
    monkeypatch.setattr(mutes, "MOST_WINDOWS", 2)
    for number in range(2):
        clock.now += 1
        own["user"] = f"u{number}"
        mutes.open_window(spool, 10, "x")
    own["user"] = "third"
    with pytest.raises(MuteError, match="wait until one ends"):
        mutes.open_window(spool, 10, "x")


def test_a_trial_changes_nothing(spool, clock, own):
    assert mutes.open_window(spool, 10, "x", is_trial=True).is_changed
    assert messages(spool) == list(mutes.windows(spool)) == []
    mutes.open_window(spool, 10, "x")
    assert mutes.pause(spool, is_trial=True).is_changed
    assert mutes.end(spool, is_trial=True).is_changed
    assert Mutes(spool).window(came_in(), [])


@needs_root
def test_only_root_can_write_where_windows_are(spool, opened):
    os.chown(spool.root, 0, 1)
    own_directory = os.stat(spool.path(MUTES))
    assert (own_directory.st_uid, stat.S_IMODE(own_directory.st_mode)) == (0, mutes.DIRECTORY_MODE)
    assert stat.S_IMODE(os.stat(spool.path(MUTES, opened["id"])).st_mode) == 0o640
    assert spool.unexpected() == []


# -- pauses and the end -----------------------------------------------------------------------------------------------


def test_in_a_pause_logins_are_reported_and_the_next_call_goes_on(spool, clock, opened):
    clock.now = NOW + 50
    assert mutes.pause(spool).is_changed
    assert not mutes.pause(spool).is_changed
    assert not Mutes(spool).window(came_in(), [])
    clock.now = NOW + 70
    again = mutes.open_window(spool, 60, "x")
    assert again.is_changed
    assert again.window["until"] == NOW + 600, "it does not become longer"
    assert not Mutes(spool).window(came_in(), []), "what came in the pause is reported, however late it is looked at"
    assert Mutes(spool).window(came_in(time=NOW + 70), [])
    assert Mutes(spool).window(came_in(time=NOW + 49), [])
    assert len(messages(spool)) == 1


def test_a_window_can_end_early(spool, clock, opened):
    clock.now = NOW + 50
    assert mutes.end(spool).is_changed
    assert not Mutes(spool).window(came_in(time=NOW + 50), [])
    assert Mutes(spool).window(came_in(time=NOW + 49), [])
    assert not mutes.end(spool).is_changed


def test_without_a_window_there_is_nothing_to_pause_or_end(spool):
    """Even for a process without a connection."""
    for change in (mutes.pause, mutes.end):
        done = change(spool)
        assert (done.window, done.is_changed) == (None, False)


def test_nobody_else_can_pause_or_end_it(spool, opened, own):
    own["user"] = "eve"
    assert mutes.end(spool).window is None
    assert Mutes(spool).window(came_in(), []) == opened


# -- logins during the window -----------------------------------------------------------------------------------------


def record(spool, window, number, **changes):
    return Mutes(spool).record(window, came_in(id=f"{NOW + 60}-{number}", **changes))


def test_the_end_says_what_came_in_by_type_and_command(spool, clock, opened):
    for number in range(3):
        assert record(spool, opened, number, type="SSH (command: python3)")
    record(spool, opened, 3, type="SFTP or SCP")
    clock.now = NOW + 600 + mutes.LATE_SECONDS
    spool.remove("outgoing", opened["id"])
    mutes.finish(spool)
    assert sentences(spool) == [
        f"deploy from 203.0.113.50 by publickey {FINGERPRINT} is no longer muted: 4 logins came in meanwhile,"
        " 3 SSH (command: python3), 1 SFTP or SCP (deploy 4711)"
    ]
    mutes.finish(spool)
    assert len(messages(spool)) == 1


def test_whoever_tells_of_the_end_keeps_the_senders_lock(spool, clock, opened, monkeypatch):
    """If systemd does not start the sender, the outbox checks this lock, and closes it."""
    monkeypatch.setattr(mutes.outbox, "put", None)
    clock.now = NOW + 600 + mutes.LATE_SECONDS
    spool.remove("outgoing", opened["id"])
    mutes.finish(spool)
    assert len(messages(spool)) == 1


def test_the_end_is_told_also_when_nothing_came_in(spool, clock, opened):
    clock.now = NOW + 600 + mutes.LATE_SECONDS
    spool.remove("outgoing", opened["id"])
    mutes.finish(spool)
    assert sentences(spool)[0].endswith("no login came in meanwhile (deploy 4711)")


def test_a_login_counts_once_whenever_the_sender_is_killed(spool, opened):
    assert record(spool, opened, 1)
    assert record(spool, opened, 1)
    assert Mutes(spool).counts(opened) == {"SSH (interactive)": 1}


def test_what_cannot_be_noted_is_reported(spool, opened, monkeypatch):
    def full(*_unused, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(spool), "write", full)
    assert not record(spool, opened, 1)


def test_the_end_waits_for_logins_on_their_way(spool, clock, opened):
    clock.now = NOW + 600 + mutes.LATE_SECONDS - 1
    mutes.finish(spool)
    assert list(mutes.windows(spool)) == [opened]
    clock.now += 1
    mutes.finish(spool)
    assert list(mutes.windows(spool)) == [opened], "its announcement waits, and so may its logins"
    clock.now = NOW + 600 + mutes.LONGEST_LATE_SECONDS + 1
    mutes.finish(spool)
    assert list(mutes.windows(spool)) == []


def test_a_kill_before_the_window_is_forgotten_makes_no_second_message(spool, clock, opened, monkeypatch):
    clock.now = NOW + 600 + mutes.LATE_SECONDS
    spool.remove("outgoing", opened["id"])

    def killed(*_unused):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(spool), "remove", lambda self, directory, name: directory != MUTES or killed())
        with pytest.raises(KeyboardInterrupt):
            mutes.finish(spool)
    names = spool.names("outgoing")
    clock.now += 3600
    mutes.finish(spool)
    assert spool.names("outgoing") == names
    assert len(names) == 1


def test_a_clock_that_is_set_back_does_not_make_it_longer(spool, clock, opened):
    spool.remove("outgoing", opened["id"])
    clock.now = NOW - 3601
    mutes.finish(spool)
    assert list(mutes.windows(spool)) == []


def test_what_is_counted_has_limits(spool, opened, monkeypatch):
    monkeypatch.setattr(mutes, "MOST_KINDS", 2)
    monkeypatch.setattr(mutes, "MOST_LOGINS", 3)
    for number in range(5):
        record(spool, opened, number, type=f"SSH (command: c{number})")
    found = Mutes(spool)
    assert found.counts(opened) == {"others": 3, "SSH (command: c0)": 1, "SSH (command: c1)": 1}
    assert len(found.logins()) == 3


@pytest.mark.each
@pytest.mark.parametrize(
    "kept",
    [b"", b"[]", b'{"1-1": 5}', b'{"1-1": {"count": "x", "kinds": {}, "logins": []}}', b'{"1-1": {}}', b"[" * 9999],
)
def test_what_the_service_user_writes_there_is_not_believed(spool, opened, said, kept, without_garbage):
    spool.write("state", mutes.FILE, kept, 0o640)
    assert Mutes(spool).counts(opened) == {}
    assert record(spool, opened, 1)
    assert Mutes(spool).counts(opened) == {"SSH (interactive)": 1}


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b'{"id": 5}', b"\xff"])
def test_a_damaged_window_mutes_nobody(spool, opened, kept):
    spool.write(MUTES, opened["id"], kept, 0o640)
    assert Mutes(spool).window(came_in(), []) is None


def test_muted_logins_are_known_by_their_identity(spool, opened):
    record(spool, opened, 1)
    (login,) = Mutes(spool).logins()
    assert {name: login[name] for name in mutes.IDENTITY} == OWN
    assert login["from"] == "203.0.113.50 port 45006"


# -- the sender --------------------------------------------------------------------------------------------------------


@pytest.fixture
def triage(spool, opened):
    """A run of the sender that knows only this identity."""
    found = Triage(spool, configuration())
    found.delivered([alert(time=NOW - 5)])
    return found


def settled(triage, **changes):
    return triage.settle(triage.weigh(came_in(**changes), []))


def test_the_sender_needs_no_message_for_a_muted_login_and_counts_it(spool, opened, triage):
    assert settled(triage)
    assert settled(triage), "a sender that was killed meanwhile settles it again"
    assert Mutes(spool).counts(opened) == {"SSH (interactive)": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"notes": ["the login's environment tried to forge PAM_USER"]},
        {"type": "SFTP or SCP"},  # the first of its type is heavy
        {"user": "root"},
        {"address": "198.51.100.7"},
        {"time": NOW + 600},
    ],
)
def test_the_sender_reports_every_other_login(spool, opened, triage, changes):
    assert not settled(triage, **changes)
    assert Mutes(spool).counts(opened) == {}


def test_the_sender_tells_of_the_end_before_it_gives_root_up(spool, clock, opened, monkeypatch):
    from ssh_login_notify import privileges, sender

    def not_now(_queue):
        raise privileges.PrivilegeError("not in a test")

    monkeypatch.setattr(sender, "_become_sender", not_now)
    monkeypatch.setattr(sender.self_check, "run_if_due", lambda _spool: None)
    spool.remove("outgoing", opened["id"])
    clock.now = NOW + 600 + mutes.LATE_SECONDS
    for run in (lambda: sender._run(spool), lambda: sender.flush(spool, False)):
        with pytest.raises(privileges.PrivilegeError):
            run()
        assert len(sentences(spool)) == 1


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(spool, own, clock, capsys, monkeypatch):
    monkeypatch.setattr(cli, "Spool", lambda: spool)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "umask", lambda mask: mask)

    def run(*words):
        code = cli.main(["mute", "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_the_command_answers_with_the_window(run):
    code, found = run("--minutes", "5", "--reason", "deploy 4711")
    assert (code, found["changed"], found["answer"]) == (exit_codes.OK, True, "")
    shown = found["mute"]
    assert (shown["user"], shown["until"], shown["paused"]) == ("deploy", "2025-11-23T08:05:00Z", False)
    assert run("--reason", "x")[1]["changed"] is False
    assert run("--pause")[1]["mute"]["paused"] is True
    assert run("--end")[1]["changed"] is True
    assert run("--end")[1]["mute"] is None


def test_the_command_says_why_not(run, monkeypatch):
    def unknown(*_unused):
        raise own_connection.NotFoundError("not known: log in again")

    monkeypatch.setattr(own_connection, "find", unknown)
    code, found = run("--reason", "x")
    assert (code, found) == (
        exit_codes.CRITICAL,
        {"changed": False, "mute": None, "answer": "not known: log in again"},
    )
