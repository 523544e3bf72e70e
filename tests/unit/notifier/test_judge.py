# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""judge: each weight has its reason, in words, and never depends on what the user has chosen."""

import time

import pytest
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import judge as judge_module
from ssh_login_notify import wording
from ssh_login_notify.alert import HEARTBEAT, REPEATS, missed, own
from ssh_login_notify.failures import HEAVY_FROM
from ssh_login_notify.judge import Judge, root_accounts
from ssh_login_notify.memory import Memory
from ssh_login_notify.weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY, WEIGHTS

OTHER = "SHA256:" + "B" * 43
PEOPLE = {FINGERPRINT: "Ada Lovelace"}


@pytest.fixture
def memory(spool):
    """A host on which deploy has logged in before, from the usual network, with the usual key."""
    found = Memory(spool)
    for number in range(3):
        found.remember(alert(number), {})
        found.remember(alert(number, user="root"), {})
    return found


def weigh(memory, login, before=(), people=(), **sources):
    weighed = Judge(configuration("https://hooks.example", people=dict(people)), memory, **sources).weigh(login, before)
    assert {name: weighed[name] for name in login} == login
    return weighed["weights"], wording.reasons(weighed)


def test_missed_logins_are_suspicious(memory):
    assert Judge(configuration(), memory).weigh(missed(1, ["x"]))["weights"] == [ANOMALY]


def test_a_login_like_those_before_is_light(memory):
    assert weigh(memory, alert(9)) == ([], [])
    assert weigh(memory, alert(9), people=PEOPLE) == ([], [])


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        ({"user": "ada"}, "the first login of this user"),
        ({"methods": [{"method": "publickey", "fingerprint": OTHER}]}, "the first login with this key"),
        ({"methods": [{"method": "gssapi-with-mic", "principal": "a@B"}]}, "the first login by this method"),
        ({"address": "192.0.2.7"}, "the first login from 192.0.2.0/24"),
        ({"type": "SCP"}, "the first login of this type"),
        ({"address": "192.0.2.7", "type": "SCP"}, "the first login from 192.0.2.0/24 and of this type"),
    ],
)
def test_what_is_first_is_said(memory, changes, since):
    today = time.strftime("%Y-%m-%d", time.localtime(memory.since))
    assert weigh(memory, alert(9, **changes)) == ([FIRST], [f"{since} (since {today})"])


def test_in_one_message_the_second_login_of_a_new_user_is_light(memory):
    assert weigh(memory, alert(9, user="ada"), [alert(8, user="ada")]) == ([], [])
    assert weigh(memory, alert(9, user="ada"), [alert(8, user="ada", type="SCP")])[1][0].startswith(
        "the first login of this type"
    )


def test_root_is_whoever_has_the_number_0(memory, tmp_path, monkeypatch):
    accounts = tmp_path / "passwd"
    accounts.write_bytes(
        b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nada:x:1000:0::/:/bin/sh\nbroken\n\xff:x:0:\n"
    )
    monkeypatch.setattr(judge_module, "ACCOUNTS", str(accounts))
    memory.remember(alert(1, user="toor"), {})
    memory.remember(alert(1, user="ada"), {})
    assert weigh(memory, alert(9, user="root")) == weigh(memory, alert(9, user="toor")) == ([ROOT], [])
    assert weigh(memory, alert(9, user="ada")) == ([], [])
    monkeypatch.setattr(judge_module, "ACCOUNTS", str(tmp_path / "missing"))
    assert root_accounts() == ["root"]


def test_a_key_is_unknown_only_where_there_is_a_map(memory):
    login = alert(9, methods=[{"method": "publickey", "fingerprint": OTHER}])
    memory.remember(login, {})
    assert weigh(memory, login) == ([], [])
    assert weigh(memory, login, people=PEOPLE) == ([UNKNOWN_KEY], ["a key that nobody here knows"])
    assert weigh(memory, login, people={OTHER: "Bob"}) == ([], [])


def test_each_of_several_keys_must_be_known(memory):
    keys = [{"method": "publickey", "fingerprint": key} for key in (FINGERPRINT, OTHER)]
    memory.remember(alert(1, methods=keys), {})
    assert weigh(memory, alert(9, methods=keys), people=PEOPLE)[0] == [UNKNOWN_KEY]


def test_a_password_is_no_key_that_nobody_knows(memory):
    assert UNKNOWN_KEY not in weigh(memory, alert(9, methods=[{"method": "password"}]), people=PEOPLE)[0]
    assert UNKNOWN_KEY not in weigh(memory, alert(9, methods=[]), people=PEOPLE)[0]


def test_the_comment_of_a_key_is_a_hint_that_says_who_wrote_it(memory):
    login = alert(9, methods=[{"method": "publickey", "fingerprint": OTHER}])
    memory.remember(login, {})
    asked = []

    def comments(fingerprint, user):
        asked.append((fingerprint, user))
        return 'ada@laptop"\x1b[2J'

    reason = (
        'a key that nobody here knows (its line in authorized_keys says "ada@laptop\\"{}", which the user can write)'
    )
    assert weigh(memory, login, people=PEOPLE, comments=comments) == ([UNKNOWN_KEY], [reason.format("\\\\x1b[2J")])
    assert asked == [(OTHER, "deploy")]
    assert weigh(memory, alert(9), people=PEOPLE, comments=comments) == ([], [])
    assert len(asked) == 1


@pytest.mark.parametrize("method", ["password", "keyboard-interactive/pam", "keyboard-interactive"])
def test_a_password_is_heavy_where_keys_are_the_rule(memory, method):
    login = alert(9, methods=[{"method": method}])
    memory.remember(login, {})
    reason = "by password, although most logins of this user are by key"
    assert weigh(memory, login) == ([PASSWORD], [reason])
    for number in range(4):
        memory.remember(alert(10 + number, methods=[{"method": method}]), {})
    assert weigh(memory, login) == ([], [])


def test_a_key_and_a_second_factor_are_no_password(memory):
    both = alert(
        9, methods=[{"method": "publickey", "fingerprint": FINGERPRINT}, {"method": "keyboard-interactive/pam"}]
    )
    memory.remember(both, {})
    assert weigh(memory, both) == ([], [])


@pytest.mark.parametrize(("count", "heavy"), [(None, False), (0, False), (HEAVY_FROM - 1, False), (HEAVY_FROM, True)])
def test_a_login_after_many_failures_is_heavy(memory, count, heavy):
    asked = []

    def failures(address, at):
        asked.append((address, at))
        return count

    reason = f"after {count} failed attempts from this address in ten minutes"
    assert weigh(memory, alert(9), failures=failures) == (
        ([FAILURES], [reason]) if count in (HEAVY_FROM, 1000) else ([], [])
    )
    assert asked == [("203.0.113.50", alert(9)["time"])]


def test_where_there_is_no_address_nobody_is_asked(memory):
    memory.remember(alert(1, address=""), {})
    assert weigh(memory, alert(9, address=""), failures=lambda *_words: 1 / 0) == ([], [])


def test_a_note_is_an_anomaly_and_stays_as_it_is(memory):
    assert weigh(memory, alert(9, notes=["the login's environment tried to forge PAM_USER"])) == ([ANOMALY], [])


def test_all_of_them_come_in_their_order(memory):
    login = alert(9, user="root", methods=[{"method": "publickey", "fingerprint": OTHER}], notes=["odd"])
    weights, reasons = weigh(memory, login, people=PEOPLE, failures=lambda *_words: 37)
    assert weights == [weight for weight in WEIGHTS if weight != PASSWORD]
    assert [reason.split()[0] for reason in reasons] == ["after", "a", "the"]


def test_messages_of_the_notifiers_own_weigh_nothing(memory):
    for message in (own(HEARTBEAT, ["something is wrong"]), alert(9, about=REPEATS, user="root", notes=["3 more"])):
        assert weigh(memory, message) == ([], [])
