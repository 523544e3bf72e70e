# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""alert: one login in a form that can be stored, and is read back unchanged or not at all."""

import json
import os
import time

import forms
import parts
import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.alert import (
    ADDED,
    FIELDS,
    HEARTBEAT,
    LOGIN,
    SELF_CHECK,
    TEST,
    TEST_SERVICE,
    build,
    ended,
    following,
    from_json,
    is_own,
    log_line,
    own,
    seconds_open,
    subject,
    to_json,
)
from ssh_login_notify.capture import Capture

NAME = "1763884862.123456-4242"
HEADER = b"capture=1\0parent=4200\0parent_stat=\0\0"


def built(kind="rsync", **environment):
    values = {"PAM_USER": "deploy", "PAM_SERVICE": "sshd", "SSH_CONNECTION": "203.0.113.50 45006 192.0.2.2 22"}
    values.update(environment)
    pairs = [name.encode() + b"=" + (value if isinstance(value, bytes) else value.encode()) + b"\0"
             for name, value in values.items()]  # fmt: skip
    return build(Capture(NAME, HEADER + b"".join(pairs)), kind)


def test_an_alert_tells_who_from_where_how_what_and_when():
    found = built(PAM_RHOST="203.0.113.50", SSH_AUTH_INFO_0="password\n")
    assert found == {
        "version": 1,
        "id": NAME,
        "about": "login",
        "time": 1763884862.123456,
        "host": os.uname().nodename,
        "service": "sshd",
        "user": "deploy",
        "address": "203.0.113.50",
        "port": 45006,
        "name": "",
        "type": "rsync",
        "methods": [{"method": "password"}],
        "notes": [],
        "follows": "",
        "was": "",
        "terminal": "",
        "requester": "",
    }
    assert set(found) == set(FIELDS)


def test_an_alert_says_what_it_can_not_show():
    found = built(SSH_AUTH_INFO_0="withheld")
    assert found["methods"] == [{"method": "too-long-to-show"}]
    assert "the hook could not be run with what sshd said" in found["notes"][0]


@pytest.mark.parametrize(
    ("connection", "address", "port"),
    [
        ("203.0.113.50 45006 192.0.2.2 22", "203.0.113.50", 45006),
        ("2001:db8::1 45006 2001:db8::2 22", "2001:db8::1", 45006),
        ("fe80::1%eth0 45006 fe80::2%eth0 22", "fe80::1%eth0", 45006),
        ("UNKNOWN 65535 UNKNOWN 65535", "local", 0),
        ("", "", 0),
        ("203.0.113.50", "", 0),
        ("203.0.113.50 x 192.0.2.2 22", "", 0),
        ("203.0.113.50 123456 192.0.2.2 22", "", 0),
        ("1 2 3 4 5", "", 0),
    ],
)
def test_the_address_and_the_port_are_those_of_ssh_connection(connection, address, port):
    found = built(SSH_CONNECTION=connection)
    assert (found["address"], found["port"]) == (address, port)


@pytest.mark.parametrize(
    ("rhost", "name"),
    [("203.0.113.50", ""), ("UNKNOWN", ""), ("", ""), ("10.0.0.1", "10.0.0.1"), ("a.example", "a.example")],
)
def test_a_name_is_told_only_where_it_says_more_than_the_address(rhost, name):
    assert built(PAM_RHOST=rhost)["name"] == name


def test_what_strangers_choose_is_made_printable():
    found = built(PAM_USER=b"\x1b[2Jroot\n\xff", PAM_RHOST="<!channel>\u202e", SSH_CONNECTION="\x1b 1 2 3")
    assert found["user"] == "\\x1b[2Jroot\\n\\xff"
    assert found["name"] == "<!channel>\\u202e"  # Slack's own characters are escaped when it is sent
    assert found["address"] == ""


@pytest.mark.whole
@given(st.binary(max_size=300), st.sampled_from(["rsync", "unknown"]))
def test_any_capture_makes_an_alert_that_comes_back_as_it_was(raw, kind):
    found = build(Capture(NAME, raw), kind)
    assert from_json(to_json(found)) == found
    assert "\n" not in log_line(found)


@pytest.mark.parametrize("field", sorted(set(FIELDS) - set(ADDED)))
def test_an_alert_that_lacks_a_field_or_has_it_of_another_kind_is_refused(field):
    for wrong in ({}, {field: None}):
        values = parts.alert()
        del values[field]
        values.update(wrong)
        with pytest.raises(ValueError, match=field):
            from_json(json.dumps(values).encode())


def test_an_alert_that_an_earlier_version_has_left_in_the_spool_is_read():
    values = {name: value for name, value in parts.alert().items() if name not in ADDED}
    assert from_json(json.dumps(values).encode()) == parts.alert()
    with pytest.raises(ValueError, match="follows"):
        from_json(json.dumps(parts.alert(follows=None)).encode())


def test_an_alert_that_follows_another_is_the_same_login_at_another_time():
    first = parts.alert(type="Tunnel (no session)", notes=["one"])
    second = following(first, "rsync")
    third = following(second, "SSH (interactive)")
    assert (second["follows"], second["was"], second["type"]) == (first["id"], "Tunnel (no session)", "rsync")
    assert (third["follows"], third["was"], third["type"]) == (first["id"], "rsync", "SSH (interactive)")
    assert third["id"].startswith(f"{third['time']:017.6f}-")
    assert third["time"] > first["time"]
    own = {"id", "time", "type", "follows", "was"}
    assert {name: third[name] for name in set(FIELDS) - own} == {name: first[name] for name in set(FIELDS) - own}
    assert from_json(to_json(third)) == third


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"version": 2}', b'"x"'])
def test_what_is_no_alert_is_refused_in_words_for_a_person(raw):
    with pytest.raises(ValueError, match=r"not JSON: not written by this program|not an alert of this version"):
        from_json(raw)


def test_the_line_for_the_log_is_structured_and_of_one_line():
    line = log_line(parts.alert(user='a "b" c\\', notes=["one", "two"], name="x=y"))
    assert line == (
        'login user="a \\"b\\" c\\\\" from=203.0.113.50 port=45006 name="x=y" type="SSH (interactive)" auth=publickey '
        f'key={parts.FINGERPRINT} service=sshd id=1763884801.123456-4242 note="one; two"'
    )


def test_what_a_connection_opens_later_is_no_login_in_the_log():
    line = log_line(parts.alert(follows="1.1-1", was="Tunnel (no session)"))
    assert line.startswith("followup user=deploy from=203.0.113.50 ")
    assert line.endswith(' follows=1.1-1 was="Tunnel (no session)"')


def test_the_end_of_a_connection_tells_of_its_login_and_how_long_it_lasted():
    login = parts.alert(type="Tunnel (no session)", notes=["one"])
    for reported in (login, following(login, "SSH (interactive)")):
        found = ended(reported, time.time())
        assert (found["about"], found["follows"], found["was"], found["notes"]) == ("logout", login["id"], "", [])
        assert (found["user"], found["type"]) == ("deploy", reported["type"])
        assert found["id"] == f"{found['time']:017.6f}-{os.getpid()}"
        assert found["began"] == login["time"]
        assert not is_own(found)
        assert from_json(to_json(found)) == found


@pytest.mark.parametrize("wrong", [{"began": None}, {"seen": "now"}])
def test_the_end_of_a_connection_without_its_times_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        from_json(json.dumps(parts.logout(**wrong)).encode())


@pytest.mark.parametrize(
    ("seconds", "unwatched", "expected"),
    [(7, 0.5, (7, 7)), (7, 7, (7, 7)), (3600, 5, (3600, 3600)), (3600, 60, (3540, 3600)), (-5, 0, (0, 0))],
)
def test_how_long_a_connection_lasted_is_said_as_exactly_as_it_is_known(seconds, unwatched, expected):
    assert seconds_open(parts.logout(seconds=seconds, unwatched=unwatched)) == expected


def test_a_clock_that_was_set_makes_no_impossible_times():
    login = parts.alert(id=f"{time.time() + 1000:017.6f}-1")
    assert seconds_open(ended(login, time.time() + 5000)) == (0, 0)
    login = parts.alert(id=f"{time.time() - 1000:017.6f}-1")
    found = ended(login, time.time() + 5000)
    assert found["began"] <= found["seen"] <= found["time"]
    assert ended(login, 5.0)["seen"] == found["began"], "it was open when the user logged in"


def test_the_end_of_a_connection_is_an_event_of_its_own_in_the_log():
    line = log_line(parts.logout(seconds=120))
    assert line.startswith('logout user=deploy from=203.0.113.50 port=45006 type="SSH (interactive)" ')
    assert line.endswith(f"id={parts.alert(9)['id']} seconds=120 follows={parts.alert(1)['id']}")
    assert " seconds=60-120 " in log_line(parts.logout(seconds=120, unwatched=60))


def test_the_line_for_the_log_leaves_out_what_is_not_known():
    line = log_line(parts.alert(address="", port=0, methods=[], service=""))
    assert line.startswith("login user=deploy ")
    assert "auth=" not in line


def test_the_line_for_the_log_has_all_that_is_known_of_a_key():
    certificate = {"key_id": 'ada", serial=4711', "serial": 7, "ca": "SHA256:ca"}
    methods = [
        {"method": "publickey", "fingerprint": "SHA256:a", "certificate": certificate, "signature_count": 17},
        {"method": "hostbased", "fingerprint": "SHA256:b", "client_user": "alice", "client_host": "node1.example.org"},
        {"method": "gssapi-with-mic", "detail": "alice@EXAMPLE.ORG"},
    ]
    line = log_line(parts.alert(methods=methods))
    assert line.endswith(
        ' serial=7 ca=SHA256:ca key_id="ada\\", serial=4711" signature_count=17 client_user=alice '
        "client_host=node1.example.org detail=alice@EXAMPLE.ORG"
    )
    assert "auth=publickey,hostbased,gssapi-with-mic key=SHA256:a,SHA256:b service=sshd" in line


@pytest.mark.whole
@given(CHOSEN, CHOSEN, CHOSEN, CHOSEN, CHOSEN, st.lists(CHOSEN, max_size=3))
def test_the_line_for_the_log_gives_back_what_strangers_chose(user, name, key_id, client_user, detail, notes):
    certificate = {"key_id": key_id, "serial": 7, "ca": "SHA256:ca"}
    methods = [{"method": "publickey", "certificate": certificate, "client_user": client_user, "detail": detail}]
    line = log_line(parts.alert(user=user, name=name, methods=methods, notes=notes))
    event, pairs = forms.read_log_line(line)
    expected = {
        "user": user, "from": "203.0.113.50", "port": "45006", "name": name, "type": "SSH (interactive)",
        "auth": "publickey", "service": "sshd", "id": parts.alert()["id"], "note": "; ".join(notes), "serial": "7",
        "ca": "SHA256:ca", "key_id": key_id, "client_user": client_user, "detail": detail,
    }  # fmt: skip
    assert event == "login"
    assert len(dict(pairs)) == len(pairs)
    assert dict(pairs) == {label: value for label, value in expected.items() if value}
    assert line.isprintable()


@pytest.mark.parametrize(
    ("found", "about"),
    [
        (own(TEST, []), TEST),
        (own(HEARTBEAT, ["x is gone: mend it"]), HEARTBEAT),
        (own(SELF_CHECK, ["x is gone: mend it"]), SELF_CHECK),
        ("by PAM", TEST),
    ],
)
def test_the_notifiers_own_events_are_no_logins_in_the_log(found, about):
    if found == "by PAM":
        found = built(PAM_SERVICE=TEST_SERVICE, PAM_USER="loginwatch-test")
    event, pairs = forms.read_log_line(log_line(found))
    assert event == found["about"] == about
    assert is_own(found)
    assert subject(found) == about
    assert {"user", "from", "port", "name", "auth", "key"} & set(dict(pairs)) == set()
    assert dict(pairs)["id"] == found["id"]
    assert "loginwatch-test" not in json.dumps(found)


@pytest.mark.parametrize(
    ("service", "about"),
    [
        ("sshd", LOGIN),
        ("ssh-login-notify-test", TEST),
        ("ssh-login-notify-heartbeat", HEARTBEAT),
        ("ssh-login-notify-watch", SELF_CHECK),
    ],
)
def test_an_alert_of_a_version_that_named_it_by_its_service_is_still_read(service, about):
    """It waits in the spool while the role installs this version."""
    old = parts.alert(service=service, user="watch")
    del old["about"]
    found = from_json(to_json(old))
    assert (found["about"], is_own(found)) == (about, about != LOGIN)
    assert subject(found) == ("watch" if about == LOGIN else about)


def test_only_the_tests_own_service_makes_a_login_a_test():
    for service in ("ssh-login-notify-heartbeat", "ssh-login-notify-watch", "self-check"):
        assert built(PAM_SERVICE=service)["about"] == LOGIN


def test_a_test_that_carries_something_suspicious_says_so_in_the_log():
    line = log_line(built(PAM_SERVICE=TEST_SERVICE, LD_PRELOAD="x.so"))
    assert line.startswith("test type=")
    assert line.endswith('note="the login\'s environment held LD_PRELOAD"')
