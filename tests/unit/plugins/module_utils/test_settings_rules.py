# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""settings: what the role refuses before it asks a host for anything, each with what to do, and no secret in it.

The notifier refuses the same on the host (tests/unit/notifier/test_config.py).
"""

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.loginwatch.pam.plugins.module_utils import settings

PROJECT = Path(__file__).resolve().parents[4]
ADDRESSES = json.loads((PROJECT / "tests" / "unit" / "webhook_addresses.json").read_text(encoding="utf-8"))
SECRET = "not-a-real-secret"  # noqa: S105
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/" + SECRET
KEY = "SHA256:" + "k" * 43
# Of a rule's `from`: what the answer has to say, empty for nothing.
NETWORKS = {
    "10.0.0.0/8": "",
    "192.0.2.1": "",
    "2001:db8::/32": "",
    "fe80::1%eth0": "",
    "fe80::%eth0/64": "",
    "::ffff:192.0.2.1": "",
    "::/0": "",
    "fe80::1": "link-local",
    "fe80::/10": "link-local",
    "10.0.0.5/8": "write 10.0.0.0/8 for the network",
    "10.0.0.0/33": "no address and no network",
    "office.example": "no address and no network",
    "2001:db8::1%eth0": "has a zone",
    "010.0.0.1": "leading zero",
}


def problems(**values):
    found = settings.role_problems(dict({"webhook_url": WEBHOOK}, **values))
    assert SECRET not in str(found)
    assert [problem for problem in found if ": " not in problem or problem.endswith(".")] == []
    return found


def only(**values):
    (problem,) = problems(**values)
    return problem


def test_the_defaults_with_a_webhook_are_all_right():
    assert problems() == []


def test_the_code_on_the_host_is_the_same():
    for name in ("settings", "client_networks", "certificate_patterns", "login_types"):
        installed = PROJECT / "files" / "ssh_login_notify" / (name + ".py")
        here = PROJECT / "plugins" / "module_utils" / (name + ".py")
        assert installed.resolve() == here.resolve()


@pytest.mark.parametrize("url", sorted(ADDRESSES))
def test_of_slacks_addresses_only_an_incoming_webhooks_is_taken(url):
    if ADDRESSES[url]:
        problem = only(webhook_url=url, allow_http=True)
        assert ADDRESSES[url] in problem
        assert "create an incoming webhook" in problem
    else:
        assert problems(webhook_url=url) == []


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ("", "is not set: create an incoming webhook in Slack"),
        (None, "is not set"),
        ([WEBHOOK], "is a list, and must be text"),
        ({"url": WEBHOOK}, "is a mapping, and must be text"),
        (42, "is a whole number, and must be text"),
        (True, "is true or false, and must be text"),
        (WEBHOOK + "\n", "contains a space, a line break"),
        (WEBHOOK + " ", "contains a space"),
        (WEBHOOK + "é", "another character that no URL has"),
        (WEBHOOK.replace("https", "http"), "starts with plain http://"),
        (WEBHOOK.replace("https", "ftp"), "must start with https:// and a host name"),
        (WEBHOOK.replace("https://", ""), "must start with https://"),
        (f"https://user:{SECRET}@hooks.slack.example/", "must start with https://"),
        (WEBHOOK.replace("hooks.", "hooks.."), "1 to 63 characters between its dots"),
        (WEBHOOK.replace("hooks", "a" * 64), "1 to 63 characters between its dots"),
        ("https://hooks.slack.example:99999/" + SECRET, "must start with https://"),
        ("https://[::1:1]x/" + SECRET, "must start with https://"),
        ("https://[12345::]/" + SECRET, "must start with https://"),
        ("{{ vault_" + SECRET + " }}", "contains a space"),
    ],
)
def test_a_webhook_that_can_not_be_used_is_refused_without_being_shown(webhook, said):
    problem = only(webhook_url=webhook)
    assert problem.startswith("ssh_login_notify_webhook_url ")
    assert said in problem


@pytest.mark.parametrize("host", ["localhost", "127.8.9.1:8080", "[::1]", "[::1]:8080"])
def test_plain_http_is_taken_on_the_host_itself(host):
    assert problems(webhook_url=f"http://{host}/{SECRET}") == []


@pytest.mark.parametrize("host", ["relay.example", "127.0.0.1.example", "localhost.example"])
def test_plain_http_to_elsewhere_takes_a_decision(host):
    url = f"http://{host}/{SECRET}"
    assert "ssh_login_notify_allow_http: true" in only(webhook_url=url)
    assert problems(webhook_url=url, allow_http=True) == []


@pytest.mark.parametrize("network", NETWORKS)
def test_a_rules_network_is_refused_with_what_to_write_or_is_fine(network):
    rules = [{"user": "backup", "from": network}, {"user": "robot"}]
    if not NETWORKS[network]:
        assert problems(ignore=rules) == []
        return
    problem = only(ignore=rules)
    assert problem.startswith("rule 1 of ssh_login_notify_ignore")
    assert NETWORKS[network] in problem


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "matches every login"),
        ("deploy", "is no mapping: write it as {user: "),
        ({"users": "x"}, "has the unknown key 'users': use only user, group, "),
        ({"user": ""}, "empty or is not text"),
        ({"user": 42}, "empty or is not text"),
        ({"key": KEY[:-1]}, "which is not a fingerprint"),
        ({"type": "SSH"}, "unknown type"),
        ({"user": "backup*"}, "the pattern 'backup*' for user"),
        ({"user": "backup?"}, "write the whole user, or a list of them"),
        ({"user": "[ab]"}, "only the names in a certificate are compared with patterns"),
        ({"type": "SSH*"}, "the pattern 'SSH*' for type"),
        ({"key": "SHA256:*"}, "the pattern 'SHA256:*' for key"),
        ({"from": "10.0.*"}, "no address and no network"),
    ],
)
def test_a_rule_that_silences_all_or_never_matches_is_refused(rule, said):
    problem = only(ignore=[{"user": "x"}, rule])
    assert problem.startswith("rule 2 of ssh_login_notify_ignore")
    assert said in problem


# Of a certificate in a rule or in the map of people: what the answer has to say, empty for nothing.
CERTIFICATES = {
    KEY + " key id ada@example.org": "",
    KEY + " key id request[*] for[root]": "",
    KEY + " principal ci-*": "",
    KEY + " principal Größe": "",
    KEY + " principal *": "matches every certificate of this authority; write its fingerprint alone",
    KEY + " key id ?*": "matches every certificate",
    KEY + " key id a\\x00": "without a backslash",
    KEY + " key id ada\n": "a line break",
    KEY + " key id  ada": "a space around it",
    KEY + " key id ada…": "matches nothing",
    KEY + " key id ": "names no certificate",
    KEY + " key-id ada": "names no certificate",
    KEY + " ada": "write the fingerprint of its authority, then `key id` or `principal`",
    KEY[:-1] + " key id ada": "names no certificate",
    "SHA256:* key id ada": "names no certificate",
}


@pytest.mark.parametrize("text", CERTIFICATES)
def test_a_certificate_is_named_with_its_authority_and_a_pattern_or_is_refused(text):
    said = CERTIFICATES[text].replace("; ", ": ")
    if not said:
        assert problems(ignore=[{"certificate": text}], people={text: "Ada"}) == []
        return
    problem = only(ignore=[{"certificate": text}])
    assert problem.startswith("rule 1 of ssh_login_notify_ignore cannot compare a certificate, since ")
    assert said in problem
    problem = only(people={text: "Ada"})
    assert problem.startswith("ssh_login_notify_people has an entry that cannot be compared, since ")
    assert said in problem


@pytest.mark.parametrize("text", ["ada@example.org", "key id ada", "vault-*"])
def test_a_key_id_without_an_authority_is_refused(text):
    assert "write the fingerprint of its authority" in only(ignore=[{"certificate": text}])
    assert "is not a fingerprint" in only(people={text: "Ada"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy", "proxy:3128"), ("proxy", "http://proxy"), ("proxy", "http://a@proxy:3128"), ("proxy", "https://p:1"),
        ("proxy", "http://proxy:0"), ("proxy", 3128), ("ca_file", "ca.pem"), ("host_label", 42), ("allow_http", "yes"),
        ("longest_silence", -1), ("most_waiting", 0), ("most_waiting_mib", 0), ("most_waiting", "20"),
        ("most_waiting", True), ("pam_services", []), ("pam_services", ["../sshd"]), ("pam_services", "sshd"),
        ("accept", ["everything"]), ("people", {"SHA256:x": "Ada"}), ("people", {KEY: ""}), ("people", {KEY: "a\nb"}),
        ("people", {KEY: 42}), ("people", {KEY: "  "}), ("people", []), ("ignore", {"user": "x"}),
        ("heartbeat_message", 1), ("heartbeat_time", "8:30"), ("heartbeat_time", 510),
        ("heartbeat_time", "Mon, Thu 08:30"), ("heartbeat_time", "24:00"), ("adopt_commands", ["notify.sh"]),
        ("adopt_commands", ["/a [b]"]),
        ("adopt_commands", [42]), ("adopt_files", ["notify.sh"]), ("adopt_files", [settings.PROGRAM]),
        ("adopt_commands", ["/bin/sh " + settings.PROGRAM]),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_used_is_refused_by_its_name(name, value):
    assert "ssh_login_notify_" + name in only(**{name: value})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"heartbeat_ping_url": "http://switch.example/" + SECRET, "heartbeat_time": "08:30"}, "plain http://"),
        ({"heartbeat_ping_url": ["x"], "heartbeat_time": "08:30"}, "must be text"),
        ({"heartbeat_ping_url": "https://switch.example/" + SECRET}, "is never asked without"),
        ({"heartbeat_time": "08:30", "heartbeat_message": False}, "has no effect"),
    ],
)
def test_a_heartbeat_that_could_do_nothing_is_refused(values, said):
    assert said in only(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"proxy": "http://[2001:db8::1]:3128"}, {"proxy": "http://proxy.example:3128/"}, {"ca_file": "/etc/ssl/ca.pem"},
        {"proxy": f"http://ada:{SECRET}@proxy.example:3128"}, {"proxy": f"http://CORP%5Cada:{SECRET}%40@[2001:db8::1]:3128"},
        {"people": {KEY: "Ada Lovelace", KEY + " key id ada@example.org": "Ada", KEY + " principal ci-*": "CI"}},
        {"ignore": [{"certificate": KEY + " key id vault-ci-*", "from": "10.0.0.0/8"}]},
        {"ignore": [{"user": "x", "from": "10.0.0.0/8", "key": KEY, "type": "rsync"}]},
        {"heartbeat_time": "Mon,Thu 08:30", "heartbeat_ping_url": "https://switch.example/" + SECRET},
        {"adopt_commands": ["/bin/sh /root/notify.sh"], "adopt_files": ["/root/notify.sh"]},
        {"pam_services": ["sshd", "sshd_second@x"]},
    ],
)  # fmt: skip
def test_what_the_documentation_shows_is_taken(values):
    assert problems(**values) == []


def test_the_examples_of_the_roles_page_are_taken():
    page = (PROJECT / "roles" / "ssh_login_notify" / "README.md").read_text(encoding="utf-8")
    section = page.partition("### People and rules")[2].partition("### ")[0]
    example = yaml.safe_load("\n".join(line[4:] for line in section.splitlines() if line.startswith("    ")))
    values = {name.partition("ssh_login_notify_")[2]: value for name, value in example.items()}
    assert [len(values["people"]), len(values["ignore"])] == [3, 2]
    assert problems(**values) == []


@pytest.mark.parametrize(
    ("time", "fields"), [("08:30", "30 8 * * *"), ("Mon,Thu 08:05", "5 8 * * 1,4"), ("Sun 23:00", "0 23 * * 0")]
)
def test_cron_gets_the_time_in_its_own_form(time, fields):
    assert settings.cron_time(time) == fields
    with pytest.raises(ValueError, match="no time"):
        settings.cron_time("x" + time)
