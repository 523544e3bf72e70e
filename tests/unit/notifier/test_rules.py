# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rules: a login is ignored by whole values and networks, never by part of a text, and never if it is suspicious."""

import datetime
import ipaddress
import re
import time
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify import groups
from ssh_login_notify.alert import TEST, missed
from ssh_login_notify.certificate_patterns import is_like
from ssh_login_notify.client_networks import IPV4_IN_IPV6, LINK_LOCAL, holds, problem
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.login_rules import KEYS as KEYS_OF_RULES
from ssh_login_notify.login_rules import TYPES
from ssh_login_notify.rules import MATCHES, ignoring_rule, is_ignored, mentions, people
from ssh_login_notify.weights import ANOMALY, WEIGHTS

CA = "SHA256:" + "c" * 43


def ignored(rule, **changes):
    return is_ignored(alert(**changes), configuration(ignore=[rule]))


@pytest.mark.parametrize(
    ("network", "address", "matches"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("10.0.0.10", "10.0.0.1", False),
        ("10.0.0.1", "110.0.0.1", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("0.0.0.0/0", "203.0.113.50", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::1", "2001:0db8:0:0:0:0:0:1", True),
        ("2001:db8::1", "2001:db8::10", False),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth1", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("fe80::1%eth0", "fe80::1", False),
        ("fe80::%eth0/64", "fe80::1%eth0", True),
        ("fe80::%eth0/64", "fe80::1%eth1", False),
        ("fe80::%eth0/64", "fe80:0:0:1::1%eth0", False),
        ("fe80::%eth0/10", "febf::1%eth0", True),
        ("::/0", "fe80::1%eth0", True),
        ("2001:db8::/32", "2001:db8::1%eth0", False),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "::ffff:c000:201", True),
        ("::ffff:192.0.2.0/120", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.0/120", "192.0.3.1", False),
        ("192.0.2.0/24", "::192.0.2.1", False),
        ("10.0.0.0/255.0.0.0", "10.0.0.1", True),
        ("10.0.0.1", "010.0.0.1", False),
        ("10.0.0.1", "10.0.0.1%eth0", False),
        ("fe80::1%eth0", "fe80::1%", False),
        ("10.0.0.0/8", "", False),
        ("10.0.0.0/8", "UNKNOWN", False),
        ("10.0.0.0/8", "10.0.0.1\\n", False),
    ],
)
def test_an_address_matches_as_a_whole_or_as_part_of_a_network(network, address, matches):
    assert ignored({"from": network}, address=address) is matches


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_one_address_never_matches_another(one, other):
    assert ignored({"from": str(one)}, address=str(other)) is (one == other)


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_a_network_matches_what_ipaddress_says(base, length, address):
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    assert ignored({"from": str(network)}, address=str(address)) is (address in network)


@given(st.ip_addresses(v=6), st.integers(0, 128), st.ip_addresses(v=6))
def test_a_network_without_a_zone_is_refused_or_matches_what_ipaddress_says(base, length, address):
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    if problem(str(network)):
        assert network.network_address in LINK_LOCAL
    elif network.network_address not in IPV4_IN_IPV6 and not address.ipv4_mapped:
        assert ignored({"from": str(network)}, address=str(address)) is (address in network)


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_ipv4_in_the_form_of_ipv6_is_ipv4_on_either_side(base, length, address):
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    mapped = f"::ffff:{network.network_address}/{length + 96}"
    for rule in (str(network), mapped):
        for shown in (str(address), f"::ffff:{address}"):
            assert ignored({"from": rule}, address=shown) is (address in network)


@given(st.integers(0, (1 << 118) - 1), st.sampled_from(["eth0", "eth1", "2"]), st.sampled_from(["eth0", "eth1", "2"]))
def test_a_link_local_address_matches_on_its_own_interface_alone(host, zone, other):
    address = ipaddress.ip_address((0xFE80 << 112) | host)
    assert ignored({"from": f"{address}%{zone}"}, address=f"{address}%{other}") is (zone == other)
    assert problem(str(address))


PIECES = st.text(alphabet="0123456789abcdef:.%/ eth", max_size=24)


@given(PIECES, PIECES)
def test_no_text_makes_it_fail(rule, address):
    if not problem(rule):
        holds(rule, address)
        assert holds(rule, rule.partition("/")[0])


def test_a_name_that_the_peers_dns_claims_never_matches():
    assert not ignored({"from": "10.0.0.1"}, name="10.0.0.1")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"user": "deploy"}, True),
        ({"user": "dep"}, False),
        ({"user": "Deploy"}, False),
        ({"key": FINGERPRINT}, True),
        ({"key": FINGERPRINT[:-1] + "x"}, False),
        ({"type": "SSH (interactive)"}, True),
        ({"type": "SSH (command)"}, False),
        ({"user": "deploy", "from": "203.0.113.0/24", "key": FINGERPRINT, "type": "SSH (interactive)"}, True),
        ({"user": "deploy", "from": "203.0.113.0/24", "key": FINGERPRINT, "type": "rsync"}, False),
        ({"user": "deploy", "from": "10.0.0.0/8"}, False),
    ],
)
def test_every_part_of_a_rule_must_match(rule, matches):
    assert ignored(rule) is matches


def test_a_type_matches_with_and_without_a_programs_name():
    assert ignored({"type": "SSH (command)"}, type="SSH (command: apt-get)")
    assert ignored({"type": "SSH (command)"}, type="SSH (command)")


@pytest.mark.parametrize("name", ["SSH", "Rsync", "SSH (command: apt-get)", "test"])
def test_a_type_that_no_login_can_have_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"has the unknown type '.*': use one of SSH \(interactive\), "):
        configuration(ignore=[{"type": name}])


def test_one_of_several_rules_is_enough_and_none_is_none():
    rules = [{"user": "nobody"}, {"user": "deploy"}]
    assert is_ignored(alert(), configuration(ignore=rules))
    assert not is_ignored(alert(), configuration())


def test_a_login_with_something_suspicious_in_it_is_not_ignored_by_a_rule_that_does_not_name_it():
    forged = {"notes": ["the login's environment tried to forge PAM_USER"]}
    assert not ignored({"user": "deploy"}, **forged)
    assert not ignored({"user": "deploy", "weight": "first"}, **forged)
    assert ignored({"user": "deploy", "weight": "anomaly"}, **forged)


@pytest.mark.parametrize(
    ("named", "weights", "is_silent"),
    [
        (None, [], True), (None, ["first"], False), ("first", ["first"], True), ("first", [], True),
        ("first", ["first", "root"], False), (["first", "root"], ["root", "first"], True),
        (["first", "root"], ["root"], True), (["first", "password"], ["root"], False), ("root", ["new"], False),
    ],
)  # fmt: skip
def test_a_heavy_login_is_ignored_only_by_a_rule_that_names_each_of_its_weights(named, weights, is_silent):
    rule = {"user": "deploy"} if named is None else {"user": "deploy", "weight": named}
    assert is_ignored(alert(), configuration(ignore=[rule]), weights) is is_silent


def test_the_rule_that_names_the_weights_is_found_behind_one_that_does_not():
    rules = [{"user": "deploy"}, {"user": "deploy", "weight": list(WEIGHTS)}]
    assert ignoring_rule(alert(), configuration(ignore=rules), ["root"]) == 2
    assert ignoring_rule(alert(), configuration(ignore=rules), []) == 1


@pytest.mark.parametrize(
    ("rule", "weights", "expected"),
    [
        ({"user": "deploy"}, [], True), ({"user": "root"}, [], False), ({"weight": "root"}, [], False),
        ({"weight": ["root", "first"]}, ["first", "password"], True), ({"weight": "root"}, ["first"], False),
        ({"weight": "root", "user": "ada"}, ["root"], False),
    ],
)  # fmt: skip
def test_a_message_mentions_whom_a_rule_names_for_this_login(rule, weights, expected):
    found = configuration(mentions=[{**rule, "mention": "<!here>"}])
    assert mentions(alert(), found, weights) == (["<!here>"] if expected else [])
    assert mentions(alert(about=TEST), found, weights) == []


def test_whom_several_rules_mention_is_mentioned_once():
    names = ["<!here>", "<@U024BE7LH>", "<!here>", "<!subteam^SAZ94GDB8>"]
    found = configuration(mentions=[{"user": "deploy", "mention": name} for name in names])
    assert mentions(alert(), found, []) == ["<!here>", "<@U024BE7LH>", "<!subteam^SAZ94GDB8>"]


def test_a_note_is_a_weight_that_can_be_mentioned():
    found = configuration(mentions=[{"weight": "anomaly", "mention": "<!channel>"}])
    assert mentions(alert(notes=["forged"]), found, []) == ["<!channel>"]


def test_missed_logins_mention_whom_a_suspicious_one_does():
    found = configuration(
        mentions=[{"weight": "anomaly", "mention": "<!here>"}, {"user": "deploy", "mention": "<!channel>"}]
    )
    assert mentions(missed(1, ["a line"]), found, [ANOMALY]) == ["<!here>"]


def test_a_test_is_never_ignored():
    assert not ignored({"user": "deploy"}, about=TEST)


def test_a_certificate_matches_by_its_key_and_by_its_authority():
    method = {"method": "publickey", "fingerprint": FINGERPRINT, "certificate": {"key_id": "x", "serial": 1, "ca": CA}}
    assert ignored({"key": FINGERPRINT}, methods=[method])
    assert ignored({"key": CA}, methods=[method])


EVIL = "SHA256:" + "e" * 43
KEY_ID = CA + " key id "
PRINCIPAL = CA + " principal "


def certified(key_id="ada@example.org", principals=("ada",), ca=CA, **changes):
    certificate = {"key_id": key_id, "principals": list(principals), "serial": 1, "ca": ca}
    return dict({"method": "publickey", "fingerprint": "SHA256:today", "certificate": certificate}, **changes)


@pytest.mark.parametrize(
    ("text", "key_id", "matches"),
    [
        ("ada@example.org", "ada@example.org", True),
        ("ada@example.org", "Ada@example.org", False),
        ("ada@example.org", "ada@example.org.evil.example", False),
        ("ada@example.org", "not-ada@example.org", False),
        ("ada@example.org", "ada@exampleXorg", False),
        ("*@example.org", "ada@example.org", True),
        ("*@example.org", "ada@example.org\\n", False),
        ("*@example.org", "eve@evil.example@example.org", True),
        ("vault-ci-*", "vault-ci-4711", True),
        ("vault-ci-*", "vault-ci-", True),
        ("vault-ci-*", "vault-cI-4711", False),
        ("vault-ci-*", "xvault-ci-4711", False),
        ("vault-ci-*", "vault-ci-a\\x00b", False),
        ("vault-ci-*", "vault-ci-" + "x" * 290 + "…", False),
        ("vault-ci-????", "vault-ci-4711", True),
        ("vault-ci-????", "vault-ci-471", False),
        ("request[*] for[root]", "request[7] for[root]", True),
        ("request[*] for[root]", "request[7] for[r]", False),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXbYbZ", False),
        ("ada|bob", "ada", False),
        ("ada,bob", "ada", False),
        ("ad[ab]", "ada", False),
        ("ada.*", "ada", False),
        ("(ada)", "ada", False),
        ("ada", "\u0430da", False),
    ],
)
def test_a_pattern_matches_a_whole_key_id_or_principal_of_one_authority(text, key_id, matches):
    assert ignored({"certificate": KEY_ID + text}, methods=[certified(key_id)]) is matches
    assert ignored({"certificate": PRINCIPAL + text}, methods=[certified("x", ["other", key_id])]) is matches
    assert not ignored({"certificate": PRINCIPAL + text}, methods=[certified(key_id, [])])
    assert not ignored({"certificate": KEY_ID + text}, methods=[certified("x", [key_id])])
    # A user's own authority, from a cert-authority line in authorized_keys, signs any key id.
    assert not ignored({"certificate": KEY_ID + text}, methods=[certified(key_id, [key_id], ca=EVIL)])
    evil = alert(methods=[certified(key_id, [key_id], ca=EVIL)])
    assert people(evil, configuration(people={KEY_ID + text: "Ada Lovelace"})) == []


def test_a_host_that_vouches_for_its_users_has_no_certificate_of_a_person():
    for name in (KEY_ID + "web-*", PRINCIPAL + "web-*"):
        method = certified("web-1", ["web-1"], method="hostbased")
        assert not ignored({"certificate": name}, methods=[method])
        assert people(alert(methods=[method]), configuration(people={name: "a robot"})) == []


def test_an_alert_that_waited_through_an_upgrade_has_no_principals_and_no_certificate_may_be_unknown():
    old = certified("ci-1")
    del old["certificate"]["principals"]
    assert ignored({"certificate": KEY_ID + "ci-*"}, methods=[old])
    assert not ignored({"certificate": PRINCIPAL + "ci*"}, methods=[old])
    for methods in ([], [{"method": "password"}], [{"method": "publickey", "detail": KEY_ID + "ci-1"}]):
        assert not ignored({"certificate": KEY_ID + "ci-*"}, methods=methods)


def test_a_pattern_takes_no_time_that_whoever_chooses_a_key_id_could_stretch():
    began = time.process_time()
    assert not is_like("a" * 300, "*a" * 140 + "*b")
    assert time.process_time() - began < 1


def wildcards(pattern):
    """Return the same pattern for another matcher, as an oracle."""
    parts = ({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile("".join(parts), re.DOTALL)


SHORT = st.text(alphabet="aA*?[].…\\ ", max_size=5)


@given(SHORT, SHORT)
def test_a_pattern_matches_what_the_same_regular_expression_matches(value, pattern):
    assert is_like(value, pattern) is bool(wildcards(pattern).fullmatch(value))


USERS = ["deploy", "Deploy", "dep", "d", "root"]
PATTERNS = st.sampled_from(["deploy", "dep*", "?eploy", "d*y", "*[1]"]) | SHORT.filter(bool)
KEYS = [FINGERPRINT, CA, EVIL]
PEOPLE = {FINGERPRINT: "Ada Lovelace", EVIL: "Ada", CA + " key id deploy": "the CI"}
# Members of the host's groups.
MEMBERS = {"monitoring": ["deploy", "d"], "monitor": ["Deploy"], "d": ["root"]}
# Networks, each with an address in it.
NETWORKS = {
    "203.0.113.50": "::ffff:203.0.113.50", "203.0.113.0/24": "203.0.113.5", "::/0": "2001:db8::1",
    "2001:db8::/32": "2001:db8::1", "fe80::1%x": "fe80::1%x", "local": "local",
}  # fmt: skip
ADDRESSES = [
    "203.0.113.50", "203.0.113.5", "203.0.11.50", "::ffff:203.0.113.50", "2001:db8::1", "fe80::1%x", "local", "",
]  # fmt: skip
COMMANDS = ["id", "apt-get", "apt"]
SERVICES = ["sshd", "sshd-second", "su"]
# Hours, and whether a day of the week and a minute of the day are in them.
HOURS = {
    "22:00-06:00": lambda _day, minute: minute >= 1320 or minute < 360,
    "Mon-Fri 08:00-18:00": lambda day, minute: day < 5 and 480 <= minute < 1080,
    "Sat,Sun 00:00-24:00": lambda day, _minute: day > 4,
    "Sun 23:30-00:30": lambda day, minute: (day == 6 and minute >= 1410) or (day == 0 and minute < 30),
}
DATES = ["2026-12-28", "2026-12-31", "2027-01-01", "2027-12-28"]


def times(seconds):
    """Return the hours and dates for a rule that include this time."""
    local = datetime.datetime.fromtimestamp(seconds)
    minute = local.hour * 60 + local.minute
    return {
        "hours": {text for text, holds in HOURS.items() if holds(local.weekday(), minute)},
        "until": {date for date in DATES if local.strftime("%Y-%m-%d") <= date},
    }


# A week around the turn of a year, each day at and around the ends of the hours.
TIMES = [
    time.mktime((2026, 12, 28 + day, 0, minute, 0, 0, 0, -1))
    for day in range(7)
    for minute in (0, 29, 30, 359, 360, 479, 480, 1079, 1080, 1319, 1320, 1409, 1410)
]
TIMES_FOUND = {seconds: times(seconds) for seconds in TIMES}
# Values for a rule: one of these, or several.
SAID = {
    "user": USERS, "group": [*MEMBERS, "nobody"], "from": sorted(NETWORKS), "key": KEYS,
    "person": sorted(PEOPLE.values()), "type": list(TYPES), "command": COMMANDS, "service": SERVICES,
    "hours": sorted(HOURS), "weight": list(WEIGHTS),
}  # fmt: skip


@st.composite
def rules(draw):
    found = {}
    keys = draw(st.sets(st.sampled_from([*SAID, "certificate", "until"]), min_size=1, max_size=3))
    # A rule with only a command is refused. It must also name a user.
    for key in sorted(keys | ({"user"} if "command" in keys else set())):
        values = st.sampled_from(SAID.get(key, [""]))
        if key == "until":
            found[key] = draw(st.sampled_from(DATES))
        elif key == "certificate":
            what = draw(st.sampled_from(["key id", "principal"]))
            found[key] = f"{draw(st.sampled_from(KEYS))} {what} {draw(PATTERNS)}"
        else:
            found[key] = draw(values | st.lists(values, min_size=1, max_size=3))
    return found


def is_in_a_group(names, user):
    """Used in place of this machine's own groups."""
    return any(user in MEMBERS.get(name, []) for name in names)


def alike(text):
    """Return what an inexact matcher could accept as equal."""
    others = [text[:-1], text[1:], text + "x", "x" + text, text.swapcase(), text + "\\n", f" {text} "]
    return st.sampled_from([text, *others])


@st.composite
def rules_and_logins(draw):
    """Generate a rule, a login that it names except for a thing or two, and the login's weights."""
    rule = draw(rules())
    others = draw(st.sets(st.sampled_from(sorted(rule)), max_size=2))

    def fact(key, otherwise, changed):
        """Return the login's value: the rule's, or another one."""
        said = rule.get(key, otherwise)
        value = draw(st.sampled_from(said) if isinstance(said, list) else st.just(said))
        return draw(changed(value)) if key in others else value

    text = fact("certificate", CA + " key id deploy", lambda text: st.sampled_from(KEYS).map(lambda ca: ca + text[50:]))
    authority, _space, rest = text.partition(" ")
    value = re.sub("^(key id|principal) ", "", rest).replace("*", "xy").replace("?", "z")
    value = draw(alike(value)) if "certificate" in others else value
    method = {
        "method": "hostbased" if "certificate" in others and draw(st.booleans()) else "publickey",
        "fingerprint": fact("key", FINGERPRINT, lambda _key: st.sampled_from(KEYS)),
    }
    if "person" in rule:
        names = {name: entry for entry, name in PEOPLE.items()}
        entry = names[fact("person", "", lambda _name: st.sampled_from(sorted(names)))]
        method["fingerprint"] = entry if len(entry) == len(CA) else "SHA256:today"
        authority, value, rest = (CA, "deploy", "key id") if entry not in KEYS else (authority, value, rest)
    if "certificate" in rule or "person" in rule or draw(st.booleans()):
        by_key_id = rest.startswith("key id")
        method["certificate"] = {
            "ca": authority, "serial": 1, "key_id": value if by_key_id else "x",
            "principals": [] if by_key_id else ["x", value],
        }  # fmt: skip
    login_type = fact("type", "rsync", lambda _type: st.sampled_from([*TYPES, "SSH (command: id)", "rsync "]))
    if "command" in rule:
        program = fact("command", "", lambda name: alike(name) | st.just(name + " and more"))
        login_type = f"SSH (command: {program})"
    group = draw(st.sampled_from(sorted(said(rule, "group") & set(MEMBERS) or MEMBERS)))
    user = fact("user", draw(st.sampled_from(MEMBERS[group])) if "group" in rule else "deploy", alike)
    if "group" in others:
        user = draw(st.sampled_from(USERS))
    network = fact("from", "203.0.113.50", lambda _network: st.sampled_from(sorted(NETWORKS)))
    wanted = [key for key in ("hours", "until") if key in rule and key not in others]
    fitting = [at for at in TIMES if all(TIMES_FOUND[at][key] & said(rule, key) for key in wanted)]
    login = alert(
        methods=[method],
        user=user,
        address=draw(st.sampled_from(ADDRESSES)) if "from" in others else NETWORKS[network],
        type=login_type,
        service=fact("service", "sshd", lambda name: st.sampled_from(SERVICES) | alike(name)),
        notes=draw(st.sampled_from([[], ["forged"]])) if "weight" in rule else [],
        time=draw(st.sampled_from(fitting or TIMES)),
    )
    weights = [weight for weight in sorted(said(rule, "weight")) if draw(st.booleans())]
    if draw(st.integers(0, 5)) == 0:
        weights.append(draw(st.sampled_from(WEIGHTS)))
    return rule, login, weights


def said(rule, key):
    value = rule.get(key, [])
    return set(value if isinstance(value, list) else [value])


def is_named(rule, login, weights):
    """Return whether a rule names a login in full, computed in a second way."""
    (method,) = login["methods"]
    certificate = method.get("certificate", {"ca": "", "key_id": None, "principals": []})
    found = times(login["time"])
    found["user"] = {login["user"]}
    found["service"] = {login["service"]}
    found["key"] = {method["fingerprint"], certificate["ca"]}
    found["type"] = {re.sub(r"(?<=^SSH \(command): .*(?=\)$)", "", login["type"])}
    found["command"] = set(re.findall(r"^SSH \(command: (.*)\)$", login["type"]))
    found["group"] = {group for group, members in MEMBERS.items() if login["user"] in members}
    address = login["address"].replace("::ffff:203", "203")
    found["from"] = {
        "203.0.113.50": {"203.0.113.50", "203.0.113.0/24"}, "203.0.113.5": {"203.0.113.0/24"}, "203.0.11.50": set(),
        "2001:db8::1": {"::/0", "2001:db8::/32"}, "fe80::1%x": {"::/0", "fe80::1%x"}, "local": {"local"}, "": set(),
    }[address]  # fmt: skip
    found["person"] = set()
    if method["fingerprint"] in PEOPLE:
        found["person"] = {PEOPLE[method["fingerprint"]]}
    elif certificate["key_id"] == "deploy" and (certificate["ca"], method["method"]) == (CA, "publickey"):
        found["person"] = {"the CI"}
    elif certificate["ca"] in PEOPLE:
        found["person"] = {PEOPLE[certificate["ca"]]}
    found["certificate"] = set()
    for text in said(rule, "certificate"):
        authority, _space, rest = text.partition(" ")
        what, pattern = ("key id", rest[7:]) if rest.startswith("key id ") else ("principal", rest[10:])
        values = [certificate["key_id"] or ""] if what == "key id" else certificate["principals"]
        if (certificate["ca"], method["method"]) == (authority, "publickey"):
            found["certificate"] |= {text for value in values if wildcards(pattern).fullmatch(value)}
    heavy = {*weights, *(["anomaly"] if login["notes"] else [])}
    return heavy <= said(rule, "weight") and all(found[key] & said(rule, key) for key in rule if key != "weight")


@pytest.mark.whole
@settings(max_examples=settings().max_examples * 5)
@given(rules_and_logins())
def test_no_login_that_a_rule_does_not_name_in_full_is_ever_ignored(case):
    rule, login, weights = case
    try:
        found = configuration(ignore=[rule], people=PEOPLE)
    except ConfigurationError:
        return
    with mock.patch.object(groups, "has_member", is_in_a_group):
        is_silent = is_ignored(login, found, weights)
    if is_silent:
        assert is_named(rule, login, weights)
    elif is_named(rule, login, weights):
        # Values of a certificate that a rule can't name are reported: an escape, or a truncated text.
        assert re.search(r"\\|…", str(login["methods"][0]["certificate"]))


@pytest.mark.whole
@given(rules_and_logins())
def test_a_message_mentions_somebody_only_by_a_rule_that_names_the_login_in_full(case):
    rule, login, weights = case
    try:
        found = configuration(mentions=[dict(rule, mention="<!here>")], people=PEOPLE)
    except ConfigurationError:
        return
    heavy = {*weights, *(["anomaly"] if login["notes"] else [])}
    is_heavy_enough = "weight" not in rule or heavy & said(rule, "weight")
    with mock.patch.object(groups, "has_member", is_in_a_group):
        mentioned = mentions(login, found, weights) == ["<!here>"]
    rest = {key: value for key, value in rule.items() if key != "weight"}
    if mentioned:
        assert is_heavy_enough
        assert is_named(rest, dict(login, notes=[]), [])


def test_every_key_of_a_rule_is_compared():
    assert {*MATCHES, "weight", "reason"} == set(KEYS_OF_RULES)
    assert list(MATCHES)[-1] == "group"


def test_the_host_is_asked_for_a_group_only_when_all_else_matches(monkeypatch):
    asked = []
    monkeypatch.setattr(groups, "has_member", lambda names, user: asked.append((names, user)) or True)
    rule = {"group": "monitoring", "from": "10.0.0.0/8", "hours": "00:00-23:59"}
    assert not ignored(rule)
    assert not ignored(dict(rule, until="2020-01-01"), address="10.0.0.1")
    assert not ignored(rule, address="10.0.0.1", notes=["forged"])
    assert asked == []
    assert ignored({"group": ["monitoring", "robots"], "from": "10.0.0.0/8"}, address="10.0.0.1")
    assert asked == [(["monitoring", "robots"], "deploy")]


@pytest.mark.parametrize(
    ("rule", "changes", "matches"),
    [
        ({"person": "Ada Lovelace"}, {}, True), ({"person": "Ada"}, {}, False),
        ({"person": ["Ada", "Ada Lovelace"]}, {}, True),
        ({"user": "deploy", "command": "apt-get"}, {"type": "SSH (command: apt-get)"}, True),
        ({"user": "deploy", "command": "apt-get"}, {"type": "SSH (command: apt-get and more)"}, False),
        ({"user": "deploy", "command": "apt"}, {"type": "SSH (command: apt-get)"}, False),
        ({"user": "deploy", "command": "apt-get"}, {"type": "SSH (command)"}, False),
        ({"user": "deploy", "command": "apt-get"}, {"type": "SSH (interactive)"}, False),
        ({"service": "su"}, {"service": "su"}, True), ({"service": ["su", "login"]}, {"service": "sudo"}, False),
        ({"user": ["backup", "deploy"]}, {}, True), ({"user": ["backup", "dep"]}, {}, False),
        ({"from": ["10.0.0.0/8", "203.0.113.0/24"]}, {}, True), ({"from": ["10.0.0.0/8", "local"]}, {}, False),
        ({"from": ["192.0.2.0/24"]}, {"address": "::ffff:192.0.2.9"}, True),
        ({"type": ["rsync", "SSH (command)"]}, {"type": "SSH (command: id)"}, True),
        ({"user": "deploy", "until": "2025-11-24"}, {}, True), ({"user": "deploy", "until": "2025-11-21"}, {}, False),
        ({"user": "deploy", "reason": "none of the others"}, {}, True),
    ],
)  # fmt: skip
def test_a_rule_names_one_value_or_several_and_each_is_compared_as_a_whole(rule, changes, matches):
    found = configuration(ignore=[rule], people={FINGERPRINT: "Ada Lovelace", EVIL: "Ada"})
    assert is_ignored(alert(**changes), found) is matches


@pytest.mark.parametrize("name", ["user", "group", "key", "type", "command", "service"])
@pytest.mark.parametrize("value", ["backup*", "backup?", "*", "[ab]ackup", "SSH*", "SHA256:*"])
def test_a_pattern_where_only_a_whole_value_counts_is_refused(name, value):
    with pytest.raises(ConfigurationError) as refused:
        configuration(ignore=[{"from": "10.0.0.0/8", name: value}])
    assert f"rule 1 of ssh_login_notify_ignore has the pattern {value!r} for {name}" in str(refused.value)


@pytest.mark.parametrize(
    "names",
    [
        {KEY_ID + "ada@example.org": "Ada Lovelace", KEY_ID + "*@example.org": "x", PRINCIPAL + "ada": "an admin"},
        {KEY_ID + "ada@*": "Ada Lovelace", KEY_ID + "a*": "somebody", CA: "the office's authority"},
        {PRINCIPAL + "ada": "Ada Lovelace", PRINCIPAL + "ad?": "somebody", CA: "the office's authority"},
        {"SHA256:today": "Ada Lovelace", KEY_ID + "ada@example.org": "somebody"},
    ],
)
def test_a_person_is_told_by_the_entry_that_says_most_in_whatever_order_they_are(names):
    for entries in (names, dict(reversed(list(names.items())))):
        found = configuration()
        found.people = entries
        assert people(alert(methods=[certified()]), found) == ["Ada Lovelace"]


def test_a_person_whose_two_keys_were_needed_is_told_once():
    names = {FINGERPRINT: "Ada Lovelace", KEY_ID + "ada@*": "Ada Lovelace"}
    methods = [{"method": "publickey", "fingerprint": FINGERPRINT}, certified()]
    assert people(alert(methods=methods), configuration(people=names)) == ["Ada Lovelace"]


def test_the_people_are_those_of_all_keys_that_were_needed():
    names = {FINGERPRINT: "Ada Lovelace", CA: "the office's authority", "SHA256:" + "e" * 43: "Eve"}
    methods = [
        {"method": "publickey", "fingerprint": FINGERPRINT},
        {"method": "publickey", "fingerprint": "SHA256:x", "certificate": {"key_id": "x", "serial": 1, "ca": CA}},
        {"method": "password"},
    ]
    assert people(alert(methods=methods), configuration(people=names)) == ["Ada Lovelace", "the office's authority"]
    assert people(alert(methods=[]), configuration(people=names)) == []
