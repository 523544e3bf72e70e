# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""settings: what the role refuses before it contacts a host, each with what to do, and without a secret.

The notifier refuses the same on the host (tests/unit/notifier/test_config.py).
"""

import base64
import hashlib
import json
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.loginwatch.pam.plugins.module_utils import login_rules, settings

PROJECT = Path(__file__).resolve().parents[4]
ADDRESSES = json.loads((PROJECT / "tests" / "unit" / "webhook_addresses.json").read_text(encoding="utf-8"))
SECRET = "not-a-real-secret"  # noqa: S105
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/" + SECRET
KEY = "SHA256:" + "k" * 43
# A rule's `from`, and what the answer must contain (empty: no problem).
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
    "10.0.0.0/33": "is not an address or a network",
    "office.example": "is not an address or a network",
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
        ("deploy", "is not a mapping: write it as {user: "),
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
        ({"from": "10.0.*"}, "is not an address or a network"),
    ],
)
def test_a_rule_that_silences_all_or_never_matches_is_refused(rule, said):
    problem = only(ignore=[{"user": "x"}, rule])
    assert problem.startswith("rule 2 of ssh_login_notify_ignore")
    assert said in problem


ALL_TYPES = list(login_rules.TYPES)
WHOLE_WEEK = ["06:00-22:00", "22:00-06:00"]
ADD = "or add one of user, group, from, key, person, certificate, type, command, service, hours"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"reason": "x"}, f"matches every login, despite reason: match fewer logins there, {ADD}"),
        ({"until": "2027-03-31"}, f"matches every login, despite until: match fewer logins there, {ADD}"),
        ({"weight": ["root", "first"]}, "matches every login, despite weight"),
        ({"until": "2027-03-31", "reason": "x", "weight": "root"}, "despite until, reason, weight: "),
        ({"from": ["0.0.0.0/0", "::/0"]}, "matches every login, despite from"),
        ({"from": ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1", "local"]}, "despite from"),
        ({"from": ["::ffff:0.0.0.0/96", "::/0"]}, "despite from"),
        ({"hours": "00:00-24:00"}, "despite hours"),
        ({"hours": WHOLE_WEEK}, "despite hours"),
        ({"hours": ["Mon-Fri 00:00-24:00", "Sat,Sun 00:00-24:00"]}, "despite hours"),
        ({"type": ALL_TYPES}, "despite type"),
        ({"type": [kind for kind in ALL_TYPES if kind != "PAM session"]}, "despite type"),
        ({"service": "sshd"}, "despite service"),
        ({"service": ["sshd", "su"]}, "despite service"),
        (
            {"type": ALL_TYPES, "hours": WHOLE_WEEK, "from": ["0.0.0.0/0", "::/0"], "service": "sshd", "reason": "x"},
            "despite type, hours, from, service, reason: ",
        ),
        ({"user": "x", "users": "y"}, "has the unknown key 'users': use only user, group, "),
        (
            {"user": ["x", ""]},
            "has a value for user that is empty or is not text: write it as text, in quotes, or a list",
        ),
        ({"from": []}, "has a value for from that is empty"),
        ({"hours": 2200}, "has a value for hours that is empty or"),
        (
            {"user": "x", "until": ["2027-03-31"]},
            "has a value for until that is empty or is not text: write it as text",
        ),
        ({"user": "x", "reason": None}, "has a value for reason that is empty"),
        ({"user": "x", "reason": "a\nb"}, "has a reason that is blank or not one line: write one line"),
        ({"group": "wheel*"}, "has the pattern 'wheel*' for group"),
        ({"user": ["backup", "robot?"]}, "has the pattern 'robot?' for user"),
        ({"user": " backup"}, "has the user ' backup', which no login has: write it without"),
        ({"group": "wheel\n"}, "has the group 'wheel\\n', which no login has"),
        ({"person": "Ada"}, "has the person 'Ada', who is not in ssh_login_notify_people: copy a name from there"),
        ({"person": ["Ada Lovelace", "Grace"]}, "has the person 'Grace', who is not"),
        (
            {"command": "check_disk"},
            "has a command, but nothing about who logs in, and any user can give a program this name:"
            " add one of user, group, from, key, person, certificate",
        ),
        ({"command": "check_disk", "hours": "22:00-06:00"}, "nothing about who logs in"),
        (
            {"user": "x", "command": "/usr/bin/id"},
            "has the command '/usr/bin/id', which no alert shows: write the name",
        ),
        ({"user": "x", "command": "id -u"}, "without a path, arguments and `and more`"),
        ({"user": "x", "command": "id and more"}, "which no alert shows"),
        ({"user": "x", "command": "-id"}, "no alert"),
        ({"user": "x", "command": "check_*"}, "has the pattern 'check_*' for command"),
        (
            {"user": "x", "command": "id", "type": "rsync"},
            "has a command, but a type without commands: leave out the type",
        ),
        ({"service": "../su"}, "has the service '../su', which is not a file name: name a file in /etc/pam.d"),
        ({"hours": "22-06"}, "cannot compare the hours, because '22-06' is not a range of hours: write "),
        ({"hours": ["22:00-06:00", "8:00-9:00"]}, "cannot compare the hours, because '8:00-9:00'"),
        ({"user": "x", "until": "31.03.2027"}, "cannot compare the date, because '31.03.2027' is not a date: write "),
        ({"user": "x", "until": "2027-02-29"}, "cannot compare the date"),
        ({"user": "x", "weight": "heavy"}, "has the unknown weight 'heavy': use only anomaly, "),
        ({"from": ["10.0.0.0/8", "10.0.0.5/8"]}, "cannot compare an address, because '10.0.0.5/8' is an address"),
        ({"type": ["rsync", "ssh"]}, "has the unknown type 'ssh': use one of SSH (interactive), "),
        ({"key": [KEY, "SHA256:x"]}, "has the key 'SHA256:x', which is not a fingerprint"),
        ({"certificate": [KEY + " key id x", "x"]}, "cannot compare a certificate, because 'x' names no certificate"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_number_its_key_and_what_to_write(rule, said):
    people = {KEY: "Ada Lovelace"}
    problem = only(ignore=[{"user": "x"}, rule], people=people)
    assert problem.startswith("rule 2 of ssh_login_notify_ignore ")
    assert said in problem
    assert ": " in problem
    # The same for `mentions`. A weight in a rule of theirs excludes the many logins without one.
    found = problems(mentions=[{**rule, "mention": "<!here>"}], people=people)
    if set(rule) & {"weight"} and "matches every login" in problem:
        assert found == []
    else:
        assert found == [problem.replace("rule 2 of ssh_login_notify_ignore", "rule 1 of ssh_login_notify_mentions")]


@pytest.mark.parametrize(
    "rule",
    [
        {"service": "su"},
        {"from": ["0.0.0.0/0"]},
        {"from": ["::/0", "local"]},
        {"from": ["0.0.0.0/0", "::/1"]},
        {"hours": "00:00-23:59"},
        {"hours": ["Mon-Fri 00:00-24:00", "Sat 00:00-24:00"]},
        {"type": ALL_TYPES[:-1]},
        {"type": ALL_TYPES, "user": "x"},
        {"hours": WHOLE_WEEK, "group": ["a", "b"]},
        {"user": ["x", "y"], "weight": "root"},
        {"user": "DOMAIN\\ada"},
        {"user": "ada lovelace"},
        {"group": "domain users"},
        {"person": "Ada Lovelace"},
        {"user": "x", "command": ["check_disk", "apt-get", "a.out", "g++"], "type": ["rsync", "SSH (command)"]},
    ],
)
def test_a_rule_that_leaves_out_some_logins_is_taken(rule):
    assert problems(ignore=[{**rule, "reason": "some", "until": "2027-03-31"}], people={KEY: "Ada Lovelace"}) == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            [{"from": "0.0.0.0/0"}, {"user": "x"}, {"from": "::/0", "reason": "x"}],
            "rules 1, 3 of ssh_login_notify_ignore together match every login by from: narrow one of them",
        ),
        ([{"hours": "08:00-18:00"}, {"hours": "18:00-08:00"}], "rules 1, 2 of ssh_login_notify_ignore together"),
        ([{"type": ALL_TYPES[:6]}, {"type": ALL_TYPES[6:]}], "together match every login by type"),
        (
            [{"from": "0.0.0.0/0", "service": "sshd"}, {"from": "::/0", "hours": WHOLE_WEEK}],
            "together match every login",
        ),
        ([{"from": "0.0.0.0/0"}, {"from": "::/0", "user": "x"}], ""),
        ([{"hours": "08:00-18:00"}, {"hours": "18:00-07:00"}], ""),
    ],
)
def test_rules_that_match_every_login_together_are_refused(rules, said):
    assert said in only(ignore=rules) if said else problems(ignore=rules) == []


def test_a_service_that_is_all_that_is_reported_is_every_login():
    assert "despite service" in only(ignore=[{"service": ["su", "login"]}], pam_services=["login", "su"])
    assert problems(ignore=[{"service": ["su"]}], pam_services=["login", "su"]) == []


def test_a_rule_without_a_reason_one_that_is_over_and_one_for_root_are_noticed():
    noon = time.mktime((2027, 4, 1, 12, 0, 0, 0, 0, -1))
    rules = [
        {"user": "a", "reason": "x"},
        {"user": "b"},
        {"user": ["root", "c"], "until": "2027-03-31"},
        {"user": "root", "weight": "root", "reason": "x", "until": "2027-04-01"},
    ]
    assert login_rules.without_reason(rules) == [
        "rules 2, 3 of ssh_login_notify_ignore have no reason, which the next release requires: write `reason: why"
        " these logins need no message`"
    ]
    assert login_rules.without_reason(rules[:2])[0].startswith("rule 2 of ssh_login_notify_ignore has no reason")
    assert login_rules.without_reason(rules[:1]) == []
    assert login_rules.ended(rules, noon) == [
        "rule 3 of ssh_login_notify_ignore ended on 2027-03-31 and matches no login any more: remove it, or write a"
        " later date"
    ]
    assert login_rules.weightless_root(rules) == [
        "rule 3 of ssh_login_notify_ignore names root without `weight: root`, and ignores no login of root: add the"
        " weight"
    ]


# A key, as in key.pub and authorized_keys.
BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIJHT9M1Shw3HPm2LiwIJQIdTrfI0qXlKuJ8FmUbBXLvN"
FINGERPRINT_OF_BLOB = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(BLOB)).digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    "entry",
    [
        "ssh-ed25519 " + BLOB,
        f"ssh-ed25519 {BLOB} ada@laptop",
        f"  ssh-ed25519 {BLOB} Ada's key, at home\n",
        f'from="10.0.0.0/8,!10.0.0.1",no-pty ssh-ed25519 {BLOB} ada@laptop',
    ],
)
def test_a_person_may_be_named_by_a_public_key_or_a_whole_line(entry):
    people = {entry: "Ada Lovelace"}
    assert problems(people=people) == []
    assert settings.people_by_fingerprint(people) == {FINGERPRINT_OF_BLOB: "Ada Lovelace"}
    assert "more than once" in only(people={entry: "Ada", FINGERPRINT_OF_BLOB: "Bob"})


@pytest.mark.parametrize(
    "entry", ["", "# a comment", "ada", "ssh-ed25519", f"ssh-rsa {BLOB}", f"ssh-ed25519 {BLOB[:-4]}", "x" * 20000]
)
def test_what_is_no_key_is_refused(entry):
    assert "is neither a fingerprint nor a public key" in only(people={entry: "Ada"})


# A certificate in a rule or in the map of people, and what the answer must contain (empty: no problem).
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
    assert problem.startswith("rule 1 of ssh_login_notify_ignore cannot compare a certificate, because ")
    assert said in problem
    problem = only(people={text: "Ada"})
    assert problem.startswith("ssh_login_notify_people has an entry that cannot be compared, because ")
    assert said in problem


@pytest.mark.parametrize("text", ["ada@example.org", "key id ada", "vault-*"])
def test_a_key_id_without_an_authority_is_refused(text):
    assert "write the fingerprint of its authority" in only(ignore=[{"certificate": text}])
    assert "is neither a fingerprint nor a public key" in only(people={text: "Ada"})


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
        *[("metrics_file", path) for path in ("a.prom", "/a.prom", "/x/a", "/x/a.prom/", "/x/../a.prom", "/x/.prom",
                                              "/x y/a.prom", "/x/%h.prom", "/x//a.prom", "/x/a.prom\n")],
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
        ({"heartbeat_ping_url": "https://switch.example/" + SECRET}, "is never requested without"),
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
        {"metrics_file": "/var/lib/prometheus/node-exporter/ssh_login_notify.prom"},
    ],
)  # fmt: skip
def test_what_the_documentation_shows_is_taken(values):
    assert problems(**values) == []


def test_the_examples_of_the_roles_page_are_taken():
    page = (PROJECT / "roles" / "ssh_login_notify" / "README.md").read_text(encoding="utf-8")
    section = page.partition("### People and rules")[2].partition("### ")[0]
    example = yaml.safe_load("\n".join(line[4:] for line in section.splitlines() if line.startswith("    ")))
    values = {name.partition("ssh_login_notify_")[2]: value for name, value in example.items()}
    assert [len(values["people"]), len(values["ignore"])] == [4, 3]
    assert problems(**values) == []


def test_the_examples_of_the_page_on_rules_are_taken_as_they_are():
    page = (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    values = {name.partition("ssh_login_notify_")[2]: value for block in blocks
              for name, value in yaml.safe_load(block).items()}  # fmt: skip
    assert [len(values["ignore"]), len(values["mentions"])] == [5, 2]
    assert problems(**values) == []
    assert login_rules.without_reason(values["ignore"]) == []
    assert [key for key in login_rules.KEYS if f"| `{key}` |" not in page] == []


@pytest.mark.parametrize(
    ("time", "fields"), [("08:30", "30 8 * * *"), ("Mon,Thu 08:05", "5 8 * * 1,4"), ("Sun 23:00", "0 23 * * 0")]
)
def test_cron_gets_the_time_in_its_own_form(time, fields):
    assert settings.cron_time(time) == fields
    with pytest.raises(ValueError, match="no time"):
        settings.cron_time("x" + time)
