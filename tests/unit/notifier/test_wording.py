# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wording: what a message says, whichever channel shows it."""

import re
import time
from collections import namedtuple

import pytest
from parts import FINGERPRINT, alert, configuration, logout
from ssh_login_notify import wording
from ssh_login_notify.alert import HEARTBEAT, SELF_CHECK, TEST, missed, own
from ssh_login_notify.weights import ANOMALY, WEIGHTS

NOW = 1763884862.0
RED, ORANGE = "\U0001f534", "\U0001f7e0"
# Characters of a headline for which a channel has room: Slack's.
ROOM = 150
PEOPLE = {"people": {FINGERPRINT: "Ada Lovelace"}}
Told = namedtuple("Told", ("headline", "fields", "text"))


def told(found, settings, now):
    """Return all forms of a message about one alert, with the fields by their labels."""
    headline, fields = wording.single(found, settings, now, lambda text: len(text) <= ROOM)
    return Told(headline, {label: value for _name, label, value in fields}, wording.text(found, settings, now))


def single(now=NOW, values=None, **changes):
    return told(alert(**changes), configuration(**(values or {})), now)


def test_a_message_begins_with_the_person_and_what_is_odd_and_says_the_rest_once():
    message = single(values=PEOPLE, notes=["a note"], name="client.example")
    assert message.headline == "Ada Lovelace as deploy on web-3"
    found = message.fields
    assert list(found) == ["Note", "Type", "From", "Time", "Key"]
    assert re.match(r"2025-11-23 \d\d:\d\d:\d\d \S+$", found.pop("Time"))
    assert found == {
        "Note": "a note",
        "Type": "SSH (interactive)",
        "From": "203.0.113.50 port 45006 (client.example)",
        "Key": "publickey ED25519 " + FINGERPRINT,
    }


@pytest.mark.parametrize(
    ("people", "changes", "headline"),
    [
        ({}, {}, "deploy logged in on web-3"),
        ({}, {"follows": "1.1-1"}, "deploy opened more on web-3"),
        ({FINGERPRINT: "Ada Lovelace"}, {}, "Ada Lovelace as deploy on web-3"),
        ({FINGERPRINT: "Ada Lovelace"}, {"follows": "1.1-1"}, "Ada Lovelace as deploy opened more on web-3"),
        ({FINGERPRINT: "Ada Lovelace"}, {"user": ""}, "Ada Lovelace as an unknown user on web-3"),
        ({FINGERPRINT: "Ada as root"}, {}, '"Ada as root" as deploy on web-3'),
        ({}, {"user": "Ada Lovelace as deploy"}, '"Ada Lovelace as deploy" logged in on web-3'),
    ],
)
def test_a_headline_has_one_form_that_no_account_can_imitate(people, changes, headline):
    message = single(values={"people": people}, **changes)
    assert message.headline == headline
    assert message.text.startswith(headline + ": ")
    line = wording.login(alert(**changes), configuration(people=people), NOW)
    assert line.startswith(re.sub("( logged in| opened more)? on web-3", "", headline) + ": ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "a few seconds"), (4, "a few seconds"), (5, "5 s"), (59, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"),
     (3600, "1 h 0 min"), (86399, "23 h 59 min"), (93600, "1 d 2 h"), (8640000, "100 d 0 h")],
)  # fmt: skip
def test_the_end_of_a_connection_says_who_it_was_and_how_long_it_lasted(seconds, words):
    found = logout(seconds=seconds)
    message = told(found, configuration(**PEOPLE, link="https://wiki.example/{user}"), found["time"])
    assert message.headline == f"Ada Lovelace as deploy logged out of web-3 after {words}"
    assert list(message.fields) == ["Type", "From", "Time"]
    assert wording.links(found, configuration(link="https://wiki.example/{user}")) == []


def test_an_end_in_a_message_of_many_is_no_login():
    found = logout(seconds=7980)
    line = wording.login(found, configuration(**PEOPLE), found["time"])
    assert line.startswith(
        "Ada Lovelace as deploy: logged out after 2 h 13 min · SSH (interactive) · from 203.0.113.50 "
    )
    found = logout(seconds=90100, unwatched=30)
    line = wording.login(found, configuration(language="ja"), found["time"])
    assert line.startswith("deploy: ログアウト (接続時間 1 日 1 時間) · 注意: ")
    assert wording.digest_headline([alert(), found], configuration()) == "2 messages from web-3"


def test_an_end_that_nothing_watched_says_between_which_times_it_was():
    found = logout(seconds=3700, unwatched=60)
    message = told(found, configuration(), found["time"])
    assert message.headline == "deploy logged out of web-3 after 1 h 0 min to 1 h 1 min"
    start, end = (wording._time(found[name]) for name in ("seen", "time"))
    note = f"the connection ended between {start} and {end}, when the notifier was not running"
    assert message.fields["Note"] == note
    assert (
        message.text == f"{message.headline}: Note: {note} · SSH (interactive) · from 203.0.113.50 port 45006 · {end}"
    )
    late = told(found, configuration(), found["time"] + 600)
    assert late.fields["Note"] == note + "; sent 10 minutes late"


def test_a_long_user_and_a_long_person_leave_room_for_the_server_in_the_headline():
    message = single(values={"people": {FINGERPRINT: "A" * 300}}, user="d" * 300)
    assert message.headline.endswith(" on web-3")


def test_the_text_alone_says_all_of_it():
    text = single(values=PEOPLE, notes=["a note"]).text
    assert text.startswith("Ada Lovelace as deploy on web-3: Note: a note · SSH (interactive) · from 203.0.113.50 ")
    assert FINGERPRINT in text


def test_what_is_not_known_is_said_to_be_not_known():
    found = single(user="", address="", port=0, name="", methods=[]).fields
    assert (found["From"], found["Key"]) == ("not known", "sshd did not say")
    assert "an unknown user logged in on web-3" in single(user="").text


def test_a_name_stands_for_the_address_where_there_is_none():
    found = single(address="", port=0, name="client.example").fields
    assert found["From"] == "client.example (by PAM_RHOST, port not known)"


def test_a_certificate_is_told_by_its_id_serial_and_authority():
    certificate = {"key_id": "ada@example.org", "serial": 7, "ca": "SHA256:ca"}
    method = {"method": "publickey", "key_type": "ED25519-CERT", "fingerprint": "SHA256:k", "certificate": certificate}
    expected = 'publickey ED25519-CERT SHA256:k (certificate serial 7, CA SHA256:ca, key id "ada@example.org")'
    assert single(methods=[method]).fields["Key"] == expected


def test_a_fido_keys_counter_is_told():
    method = {"method": "publickey", "key_type": "ED25519-SK", "fingerprint": "SHA256:k", "signature_count": 7}
    assert single(methods=[method]).fields["Key"] == "publickey ED25519-SK SHA256:k (signature count 7)"


def test_a_hostbased_login_is_told_by_the_hosts_key_its_user_and_its_name():
    method = {"method": "hostbased", "key_type": "RSA", "fingerprint": "SHA256:k"}
    method.update(client_user="alice", client_host="node1.example.org")
    expected = 'hostbased RSA SHA256:k (client user "alice", client host "node1.example.org")'
    assert single(methods=[method]).fields["Key"] == expected
    assert expected in wording.login(alert(methods=[method]), configuration(), NOW)


def test_several_methods_are_told_in_their_order():
    methods = [{"method": "publickey", "key_type": "RSA", "fingerprint": "SHA256:k"}, {"method": "password"}]
    assert single(methods=methods).fields["Key"] == "publickey RSA SHA256:k, then password"


@pytest.mark.parametrize(
    ("late", "note"),
    [
        (0, None),
        (119, None),
        (121, "sent 2 minutes late"),
        (3600, "sent 60 minutes late"),
        (90000, "sent 25 hours late"),
    ],
)
def test_a_late_message_says_so(late, note):
    assert single(now=alert()["time"] + late).fields.get("Note") == note


def test_the_label_of_the_configuration_is_the_servers_name():
    assert single(values={"host_label": "the shop"}).text.startswith("deploy logged in on the shop: ")


@pytest.mark.parametrize(
    ("zone", "seconds", "said"),
    [
        ("UTC0", 1763884862.5, "2025-11-23 08:01:02 UTC"),
        ("GMT0", 1763884862.5, "2025-11-23 08:01:02 UTC"),
        ("IST-5:30", 1763884862.5, "2025-11-23 13:31:02 IST (08:01:02 UTC)"),
        ("PST8", 1763884862.5, "2025-11-23 00:01:02 PST (08:01:02 UTC)"),
        ("PST8", 1763884801, "2025-11-23 00:00:01 PST (08:00:01 UTC)"),
        ("PST8", 1763884799, "2025-11-22 23:59:59 PST (2025-11-23 07:59:59 UTC)"),
        ("<+1245>-12:45", 1763884862.5, "2025-11-23 20:46:02 +1245 (08:01:02 UTC)"),
        ("BST0BST,M1.1.0,M12.5.0", 1763884862.5, "2025-11-23 09:01:02 BST (08:01:02 UTC)"),
    ],
)
def test_the_time_is_that_of_the_hosts_zone_and_utc_where_they_differ(monkeypatch, zone, seconds, said):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert single(time=seconds).fields["Time"] == said
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_test_alert_says_that_it_is_one():
    found = own(TEST, [])
    message = told(found, configuration(host_label="web-3"), found["time"])
    assert message.headline == "Test alert from web-3"
    assert "logged in" not in str(message)


@pytest.mark.parametrize(
    ("about", "notes", "headline", "problem"),
    [
        (HEARTBEAT, [], "Heartbeat from web-3: all is well", None),
        (HEARTBEAT, ["x is gone: mend it"], "Heartbeat from web-3: something is wrong", "x is gone: mend it"),
        (SELF_CHECK, [], "web-3 is well again", "none any more"),
        (SELF_CHECK, ["the PAM line in /x is gone: mend it", "y is: z"], "2 problems on web-3",
         "the PAM line in /x is gone: mend it; y is: z"),
        (SELF_CHECK, ["the PAM line in /x is gone: mend it"], "web-3: the PAM line in /x is gone", None),
        (SELF_CHECK, ["x" * 150 + ": mend it"], "1 problem on web-3", "x" * 150 + ": mend it"),
    ],
)  # fmt: skip
def test_what_the_notifier_says_of_itself_is_no_login(about, notes, headline, problem):
    found = own(about, notes)
    message = told(found, configuration(host_label="web-3"), found["time"])
    assert message.headline == headline
    assert message.fields.get("Problem") == problem
    assert "User" not in message.fields
    assert "Server" not in message.fields
    start = "web-3: " + "; ".join(notes) + " · " if notes and about == SELF_CHECK else headline + ": "
    assert message.text.startswith(start)


@pytest.mark.parametrize(("end", "mend"), [(": run the role again", "run the role again"), ("", None)])
def test_a_problem_is_said_once(end, mend):
    found = own(SELF_CHECK, ["1 alerts were refused" + end])
    message = told(found, configuration(host_label="web-3"), found["time"])
    assert message.headline == "web-3: 1 alerts were refused"
    assert "refused" not in str(message.fields)
    assert message.fields.get("What to do") == mend


def test_a_login_by_the_tests_own_pam_service_is_a_test_alert_too():
    message = single(about=TEST, address="192.0.2.1", port=4711)
    assert message.headline == "Test alert from web-3"


@pytest.mark.parametrize(
    ("count", "headline"),
    [
        (1, "\U0001f534 1 login on web-3 was not reported"),
        (12, "\U0001f534 12 logins on web-3 were not reported"),
    ],
)
def test_missed_logins_are_an_alarm(count, headline):
    found = dict(missed(count, ["sshd[4]: Accepted (a reason)", "more"]), weights=[ANOMALY], reasons=[])
    message = told(found, configuration(host_label="web-3"), found["time"])
    assert message.headline == headline
    assert message.fields["Not reported"] == "sshd[4]: Accepted (a reason); more"
    assert set(message.fields) == {"Not reported", "Time"}
    assert message.text.startswith(headline + ": sshd[4]: Accepted (a reason); more")


def test_all_weights_at_once_leave_room_for_the_rest_of_the_headline():
    message = single(values={"people": {FINGERPRINT: "A" * 200}}, user="u" * 200, weights=list(WEIGHTS), reasons=[])
    headline = message.headline
    assert headline.startswith(RED + " suspicious, after failures, 4 more · AAAA")
    assert headline.endswith(" on web-3")


@pytest.mark.parametrize("user", [RED + " root", ORANGE, "root\u00b7x", RED + " root \u00b7 ada"])
def test_no_user_can_look_heavy(user):
    assert single(user=user).headline.startswith('"')


@pytest.mark.parametrize(
    ("was", "kind", "words"),
    [
        ("Tunnel (no session)", "SSH (interactive)", "was a tunnel until now; now it has opened an interactive shell"),
        ("rsync", "SSH (command: id)", "was a transfer (rsync) until now; now it has opened a command"),
        ("unknown", "SFTP or SCP", "was of an unknown type until now; now it has opened a transfer (SFTP or SCP)"),
        ("SSH (command: id)", "SSH (interactive)", "was a command until now; now it has opened an interactive shell"),
    ],
)
def test_what_a_connection_opens_later_names_the_login_that_it_follows(was, kind, words):
    later = alert(2, follows=alert()["id"], was=was, type=kind)
    message = told(later, configuration(), NOW)
    assert message.headline == "deploy opened more on web-3"
    assert message.fields["Note"].startswith("the connection of {} {}".format(alert()["id"], words))
    assert alert()["id"] in message.text
    assert words in wording.login(later, configuration(), NOW)
