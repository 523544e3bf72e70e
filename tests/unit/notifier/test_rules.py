# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rules: a login is ignored by whole values and networks, never by a part of a text, and never a suspicious one."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, configuration
from ssh_login_notify.alert import TEST
from ssh_login_notify.client_networks import IPV4_IN_IPV6, LINK_LOCAL, holds, problem
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.rules import is_ignored, people

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
    with pytest.raises(ConfigurationError, match="has an unknown type: use one of SSH \\(interactive\\), "):
        configuration(ignore=[{"type": name}])


def test_one_of_several_rules_is_enough_and_none_is_none():
    rules = [{"user": "nobody"}, {"user": "deploy"}]
    assert is_ignored(alert(), configuration(ignore=rules))
    assert not is_ignored(alert(), configuration())


def test_a_login_with_something_suspicious_in_it_is_never_ignored():
    assert not ignored({"user": "deploy"}, notes=["the login's environment tried to forge PAM_USER"])


def test_a_test_is_never_ignored():
    assert not ignored({"user": "deploy"}, about=TEST)


def test_a_certificate_matches_by_its_key_and_by_its_authority():
    method = {"method": "publickey", "fingerprint": FINGERPRINT, "certificate": {"key_id": "x", "serial": 1, "ca": CA}}
    assert ignored({"key": FINGERPRINT}, methods=[method])
    assert ignored({"key": CA}, methods=[method])


def test_the_people_are_those_of_all_keys_that_were_needed():
    names = {FINGERPRINT: "Ada Lovelace", CA: "the office's authority", "SHA256:" + "e" * 43: "Eve"}
    methods = [
        {"method": "publickey", "fingerprint": FINGERPRINT},
        {"method": "publickey", "fingerprint": "SHA256:x", "certificate": {"key_id": "x", "serial": 1, "ca": CA}},
        {"method": "password"},
    ]
    assert people(alert(methods=methods), configuration(people=names)) == ["Ada Lovelace", "the office's authority"]
    assert people(alert(methods=[]), configuration(people=names)) == []
