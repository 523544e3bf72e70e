# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channel_settings: problems of an entry of `channels`, with its name and what to do, and without a secret."""

import copy
import itertools
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.loginwatch.pam.plugins.module_utils import channel_settings, settings

PROJECT = Path(__file__).resolve().parents[4]
# Part of each value that a problem can quote.
SECRET = "not-a-real-secret"  # noqa: S105
SIGNING_KEY = "whsec_" + "bm90LWEtcmVhbC1zZWNyZXQtYXQtYWxs" * 2
PAGERDUTY_KEY = "notarealsecretnotarealsecret0000"
GOOD = {
    "slack": {"url": f"https://hooks.slack.com/services/T00000000/B00000000/{SECRET}"},
    "slack_app": {"token": f"xoxb-{SECRET}", "channel": "C0123456789", "threads": False},
    "teams": {"url": f"https://prod-1.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig={SECRET}"},
    "discord": {"url": f"https://discord.com/api/webhooks/1/{SECRET}?thread_id=5"},
    "google_chat": {"url": f"https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token={SECRET}"},
    "telegram": {"token": f"123456:{SECRET}-at-all", "chat": -1001234567890, "topic": 4},
    "mattermost": {"url": f"https://chat.example/hooks/{SECRET}"},
    "ntfy": {"url": f"https://ntfy.sh/{SECRET}", "token": f"tk_{SECRET}"},
    "pagerduty": {"key": PAGERDUTY_KEY, "only": [{"weight": "anomaly"}]},
    "email": {
        "host": "mail.example", "port": 2525, "tls": "tls", "user": "logins", "password": SECRET,
        "from": "logins@example.com", "to": ["ops@example.com"],
    },
    "json": {
        "url": f"https://siem.example/{SECRET}", "key": SIGNING_KEY, "format": "ecs", "headers": {"X-Key": SECRET},
    },
    "command": {"command": ["/usr/bin/logger", "-t", "logins"], "timeout": 5},
}  # fmt: skip
# One value of each YAML type, with a secret if there is room.
TYPES = ["text with " + SECRET + "\n", 123456, True, 1.5, [SECRET], {SECRET: SECRET}]


def problems(*entries, **values):
    found = settings.role_problems(dict({"channels": list(entries)}, **values))
    for problem in found:
        for secret in (SECRET, SIGNING_KEY, PAGERDUTY_KEY):
            assert secret not in problem
        assert ": " in problem
        assert not problem.endswith(".")
    return found


def entry(kind, **changes):
    return {"name": "ops", "kind": kind, **copy.deepcopy(GOOD[kind]), **changes}


def only(*entries, **values):
    (problem,) = problems(*entries, **values)
    return problem


def without(found, key):
    return {name: value for name, value in found.items() if name != key}


def test_the_code_on_the_host_is_the_same():
    installed = PROJECT / "files" / "ssh_login_notify" / "channel_settings.py"
    assert installed.resolve() == (PROJECT / "plugins" / "module_utils" / "channel_settings.py").resolve()


def test_there_is_a_good_entry_of_each_kind_with_all_its_secrets():
    assert list(GOOD) == list(channel_settings.KINDS)
    for kind, keys in channel_settings.SECRETS.items():
        assert [key for key in keys if key not in GOOD[kind]] == []


def test_every_module_with_a_channel_is_a_kind():
    modules = (PROJECT / "files" / "ssh_login_notify" / "channels").glob("*.py")
    kinds = {path.stem for path in modules if "\nclass Channel(" in path.read_text(encoding="utf-8")}
    assert sorted(kinds - set(channel_settings.KINDS)) == []


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_entry_has_no_problem_and_takes_the_webhooks_place(kind):
    assert problems(entry(kind)) == []


def test_all_kinds_may_stand_beside_each_other_and_beside_the_webhook():
    entries = [entry(kind, name=kind) for kind in GOOD]
    assert problems(*entries, webhook_url=GOOD["slack"]["url"]) == []


def test_without_a_webhook_and_a_channel_there_is_one_problem():
    problem = only()
    assert problem.startswith("ssh_login_notify_webhook_url is not set: ")
    assert problem.endswith("; or set ssh_login_notify_channels")


@pytest.mark.parametrize("value", ["text", {"name": "ops"}, 5, True, None])
def test_a_setting_that_is_no_list_is_one_problem(value):
    problem = only(webhook_url="", channels=value)
    assert problem.startswith("ssh_login_notify_channels is ")
    assert "must be a list: write [{name: ops, kind: discord, url: the URL in quotes}]" in problem


@pytest.mark.parametrize("bad", [SECRET, None, 5, [SECRET], True])
def test_an_entry_that_is_no_mapping_is_named_by_its_number(bad):
    assert "entry 2 of ssh_login_notify_channels is " in only(entry("slack"), bad)


@pytest.mark.parametrize("name", [None, "", "Ops", "-ops", "a b", "o" * 33, "ops\n", "../ops", "öps", *TYPES[1:]])
def test_a_name_that_is_missing_or_not_allowed_is_not_shown(name):
    changed = entry("slack", name=name)
    for bad in (changed, without(changed, "name")):
        assert only(bad).startswith("entry 1 of ssh_login_notify_channels has no name")


def test_a_name_is_there_once_and_is_not_the_webhooks():
    twice = only(entry("slack"), entry("discord"), entry("ntfy", name="other"))
    assert twice.startswith("the channel ops of ssh_login_notify_channels is there more than once: ")
    assert "ssh_login_notify_webhook_url is: write another name" in only(entry("slack", name="webhook"))


@pytest.mark.parametrize("kind", [None, "", "slak", "__init__", "../slack", SECRET, *TYPES])
def test_an_unknown_kind_is_refused_with_those_that_there_are(kind):
    problem = only({**entry("slack"), "kind": kind})
    assert problem.endswith(": write one of " + ", ".join(channel_settings.KINDS))
    assert ("unknown kind slak" in problem) == (kind == "slak")


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("key", ["urll", "channel_name", SECRET, 5])
def test_a_key_that_the_kind_does_not_have_is_refused_and_shown_only_if_it_is_no_secret(kind, key):
    problem = only({**entry(kind), key: SECRET})
    assert f"which the kind {kind} does not have: use only " in problem
    assert (f"has the key {key}," in problem) == (key in ("urll", "channel_name"))


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in GOOD for key in channel_settings.KINDS[kind]])
def test_a_value_of_the_wrong_type_or_out_of_its_limits_is_one_problem_by_key_and_name(kind, key):
    """Whatever YAML makes of a user's text."""
    of = channel_settings.KINDS[kind][key]
    for value in TYPES:
        if type(value) in of.types and (key in ("chat", "topic", "headers", "threads", "logouts")):
            continue  # any such value is valid
        problem = only(entry(kind, **{key: value}))
        assert f"{key} of the channel ops of ssh_login_notify_channels " in problem, (value, problem)
    for value in (None, ""):
        if of.default is channel_settings.NEEDED:
            problem = only(entry(kind, **{key: value}))
            assert f"the channel ops of ssh_login_notify_channels has no {key}, which the kind {kind} needs" in problem
    if of.default is channel_settings.NEEDED:
        assert f"has no {key}, which" in only(without(entry(kind), key))


NOT_ADDRESSES = ["ops", "ops@", "Ops <ops@example.com>", "ops@example.com\nBcc: x@example.com", "a b@example.com"]
BAD = {
    ("slack", "url"): ["http://hooks.slack.com/services/T00000000/B00000000/x", "https://hooks.slack.com/x",
                       "https://relay.example/x#y", f"https://user:{SECRET}@relay.example/"],
    ("slack_app", "token"): ["xoxp-" + SECRET, "xapp-" + SECRET, "xoxb-", "token"],
    ("slack_app", "channel"): ["logins", "#", "#a b", "C1", "@ada"],
    ("slack_app", "api_url"): ["https://slack.com/api/chat.postMessage?token=" + SECRET],
    ("teams", "url"): ["https://prod-1.logic.azure.com/workflows/x/triggers/manual/paths/invoke?api-version=1",
                       "https://x.webhook.office.com/webhookb2/x", "https://outlook.office.com/webhook/" + SECRET,
                       "https://a.api.powerplatform.com/x?sig=" + SECRET],
    ("discord", "url"): ["https://discord.com/channels/1/2", f"https://discord.com/api/webhooks/1/{SECRET}/slack",
                         f"https://discord.com/api/webhooks/1/{SECRET}?wait=true"],
    ("google_chat", "url"): ["https://chat.googleapis.com/v1/spaces/AAA/messages?key=k", "https://chat.googleapis.com/x"],
    ("telegram", "token"): [SECRET, "123456:short"],
    ("telegram", "chat"): ["logins", "@ab", "1.5", "t.me/" + SECRET],
    ("telegram", "topic"): [-1, 1 << 31],
    ("mattermost", "url"): ["https://chat.example/" + SECRET, "https://chat.example/hooks/"],
    ("ntfy", "url"): ["https://ntfy.sh/", "https://ntfy.sh", f"https://ntfy.sh/{SECRET}/", f"https://ntfy.sh/{SECRET}?x=1"],
    ("ntfy", "token"): ["tk a", "é"],
    ("pagerduty", "key"): [PAGERDUTY_KEY[1:], PAGERDUTY_KEY + "0"],
    ("email", "host"): ["mail.example:25", "smtp://mail.example", "a..b"],
    ("email", "port"): [-1, 65536],
    ("email", "tls"): ["ssl", "STARTTLS"],
    ("email", "from"): NOT_ADDRESSES,
    ("email", "to"): [[], ["a@example.com"] * 2, [f"{n}@x.example" for n in range(51)], *([a] for a in NOT_ADDRESSES)],
    ("json", "key"): [SECRET, "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 100, "whsec_!" + "A" * 40],
    ("json", "format"): ["cef"],
    ("json", "headers"): [{"Host": "x"}, {"webhook-id": "x"}, {"a b": "x"}, {"X": 5}, {"X": ""}, {"X": f"{SECRET}\n"},
                          {f"X-{n}": "x" for n in range(21)}],
    ("command", "command"): [[], ["logger"], ["/usr/bin/../logger"], ["/usr//bin/logger"], ["/"], ["/bin/x", 5],
                             ["/bin/x", "a\0"], ["/bin/x"] * 65],
    ("command", "timeout"): [0, 121],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "key", "value"), [(*where, value) for where in BAD for value in BAD[where]])
def test_a_value_that_can_not_be_right_is_refused(kind, key, value):
    assert f"{key} of the channel ops of ssh_login_notify_channels " in only(entry(kind, **{key: value}))


@pytest.mark.parametrize("kind", [kind for kind in GOOD if "url" in channel_settings.KINDS[kind]])
def test_plain_http_takes_a_decision(kind):
    url = {"slack": "/services/x", "mattermost": "/hooks/x"}.get(kind, "/x")
    assert "ssh_login_notify_allow_http: true" in only(entry(kind, url="http://relay.example" + url))
    assert problems(entry(kind, url="http://relay.example" + url), allow_http=True) == []
    assert problems(entry(kind, url="http://127.0.0.1:8080" + url)) == []


def test_mail_without_tls_takes_a_decision_and_never_carries_a_password():
    bare = entry("email", tls="none", user="", password="")
    assert "ssh_login_notify_allow_http: true" in only(bare)
    assert problems(bare, allow_http=True) == []
    for host in ("localhost", "127.0.0.1", "::1"):
        assert problems(entry("email", tls="none", host=host)) == []
    assert "can read the password" in only(entry("email", tls="none"), allow_http=True)


@pytest.mark.parametrize("key", ["user", "password"])
def test_a_user_and_a_password_go_together(key):
    for found in (without(entry("email"), key), entry("email", **{key: ""})):
        assert f"has no {key}, and a user and a password go together" in only(found)


def test_an_incident_is_never_what_every_login_is():
    for found in (without(entry("pagerduty"), "only"), entry("pagerduty", only=[])):
        assert "each login would be an incident" in only(found)


def test_a_logout_has_a_thread_to_stand_in():
    assert problems(entry("slack_app", threads=True, logouts=True)) == []
    assert problems(without(entry("slack_app", logouts=True), "threads")) == []
    assert problems(entry("slack_app", threads=False, logouts=False)) == []
    assert "has logouts, which go into threads, and threads: false" in only(entry("slack_app", logouts=True))


@pytest.mark.parametrize("key", ["only", "ignore"])
@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"user": "ada"}, "is a mapping, and must be a list of rules"),
        ("ada", "is text, and must be a list of rules"),
        (["ada"], "is not a mapping"),
        ([{}], "has no keys, so it matches every login"),
        ([{"usr": "ada"}], "has the unknown key 'usr'"),
        ([{"user": "ada"}, {"from": "0.0.0.0/0, ::/0"}], "cannot compare an address"),
        ([{"from": ["0.0.0.0/0", "::/0"]}], "matches every login"),
        ([{"person": "Nobody"}], "who is not in ssh_login_notify_people"),
        ([{"weight": "heavy"}], "has the unknown weight 'heavy'"),
        ([{"user": "ada", "mention": "<!here>"}], "has the unknown key 'mention'"),
    ],
)
def test_rules_are_checked_as_those_of_the_settings(key, rules, said):
    problem = only(entry("slack", **{key: rules}))
    assert said in problem
    assert f"{key} of the channel ops of ssh_login_notify_channels" in problem


def test_a_rule_of_only_may_name_a_weight_alone_and_needs_no_reason():
    assert problems(entry("slack", only=[{"weight": ["anomaly", "failures"]}, {"user": "root"}])) == []
    assert "matches every login" in only(entry("slack", ignore=[{"weight": "anomaly"}]))


def test_somebody_has_to_hear_of_problems():
    assert "takes messages about the notifier itself" in only(entry("slack", notices=False))
    silent = entry("slack", notices=False)
    assert problems(silent, entry("discord", name="b")) == []
    assert problems(silent, webhook_url=GOOD["slack"]["url"]) == []


def test_each_of_several_bad_entries_is_one_problem():
    bad = [entry("slack", name="a", url=SECRET), entry("ntfy", name="b", tokn=SECRET), SECRET, entry("json", name="c")]
    assert [problem.partition(" of ssh_login")[0] for problem in problems(*bad)] == [
        "url of the channel a", "the channel b", "entry 3",
    ]  # fmt: skip


def test_generated_pairs_of_faults_are_one_problem_an_entry():
    faults = [{"url": SECRET + "\n"}, {"urll": SECRET}, {"name": SECRET.upper()}, {"kind": SECRET}, {"notices": SECRET}]
    faults += [{"only": [{"user": 5}]}, {"ignore": SECRET}, {"url": [SECRET]}]
    for one, other in itertools.combinations(faults, 2):
        for kind in ("slack", "teams", "discord", "google_chat", "mattermost", "ntfy", "json"):
            only({**entry(kind), **one, **other})


def test_the_example_in_the_docs_has_no_problem():
    text = (PROJECT / "docs" / "examples" / "channels.yml").read_text(encoding="utf-8")
    secrets = {f"vault_{kind}_{key}": str(GOOD[kind][key]) for kind in GOOD for key in GOOD[kind]}
    text = re.sub(r"\{\{ (vault_\w+)[^}]*\}\}", lambda match: secrets[match[1]], text)
    example = yaml.safe_load(text)["ssh_login_notify_channels"]
    assert problems(*example) == []
    assert len(example) == 4


def test_an_entry_is_completed_with_the_defaults_of_its_kind():
    done = channel_settings.completed({"name": "ops", "kind": "telegram", "token": "t", "chat": -5, "api_url": None})
    assert done == {
        "name": "ops", "kind": "telegram", "token": "t", "chat": "-5", "topic": 0, "api_url": "https://api.telegram.org",
        "only": [], "ignore": [], "notices": True,
    }  # fmt: skip
    for tls, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        assert channel_settings.completed(entry("email", tls=tls, port=None))["port"] == port
    assert channel_settings.completed(entry("email"))["port"] == 2525
    assert channel_settings.completed(entry("slack", notices=False))["notices"] is False


def test_the_secrets_of_an_entry_are_found():
    assert channel_settings.secrets_of(entry("json")) == [GOOD["json"]["url"], SIGNING_KEY, SECRET]
    assert channel_settings.secrets_of(entry("command")) == []
