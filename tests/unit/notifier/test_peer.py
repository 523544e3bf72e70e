# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""peer: the origin of a login, over TCP and any other socket, as each version of OpenSSH reports it."""

import forms
import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify import client_networks, peer, rules, wording
from ssh_login_notify.alert import build, log_line
from ssh_login_notify.capture import Capture
from ssh_login_notify.login_types import PAM_SESSION

NAME = "1763884862.123456-4242"
HEADER = b"capture=1\0parent=4200\0parent_stat=\0\0"
DIFFER = ["SSH_CONNECTION and PAM_RHOST have different addresses; the latter is PAM's own"]


def alert_of(login_type="rsync", **environment):
    values = {"PAM_USER": "deploy", "PAM_SERVICE": "sshd", "PAM_TTY": "ssh"}
    values.update(environment)
    pairs = "".join(f"{name}={value}\0" for name, value in values.items())
    return build(Capture(NAME, HEADER + pairs.encode()), login_type)


# SSH_CONNECTION and PAM_RHOST, and the text in the alert. None: sshd does not set it.
ORIGINS = [
    ("203.0.113.50 45006 192.0.2.2 22", "203.0.113.50", "203.0.113.50 port 45006"),
    ("203.0.113.50 65535 192.0.2.2 22", "203.0.113.50", "203.0.113.50 port 65535"),
    ("203.0.113.50 45006 192.0.2.2 22", "a.example", "203.0.113.50 port 45006 (a.example)"),
    ("2001:db8::1 45006 2001:db8::2 22", "2001:db8::1", "2001:db8::1 port 45006"),
    ("fe80::1%eth0 45006 fe80::2%eth0 22", "fe80::1%eth0", "fe80::1%eth0 port 45006"),
    # `sshd -i` on systemd's sockets: vsock, unix; a pipe or a socketpair of a ProxyCommand.
    ("UNKNOWN 65535 UNKNOWN 65535", None, "a local socket"),
    ("UNKNOWN 65535 /run/ssh-unix-local/socket 65535", None, "a local socket"),
    ("UNKNOWN 65535 /run/host/unix-export/ssh 65535", None, "a local socket"),
    ("UNKNOWN 65535 /run/a path with blanks 65535", None, "a local socket"),
    ("UNKNOWN 65535  65535", None, "a local socket"),
    # Before 9.3.
    ("UNKNOWN 65535 UNKNOWN 65535", "UNKNOWN", "a local socket"),
    # An sshd that listens on such a socket itself.
    ("UNKNOWN 0 UNKNOWN 0", None, "a local socket"),
    (" 0 /run/sshd.socket 0", None, "a local socket"),
    (" 0 /run/sshd.socket 0", "", "a local socket"),
    # Before 8.0.
    (None, "203.0.113.50", "203.0.113.50 (by PAM_RHOST, port not known)"),
    (None, "2001:db8::1", "2001:db8::1 (by PAM_RHOST, port not known)"),
    (None, "fe80::1%eth0", "fe80::1%eth0 (by PAM_RHOST, port not known)"),
    (None, "a.example", "a.example (by PAM_RHOST, port not known)"),
    (None, "UNKNOWN", "a local socket"),
    (None, None, "not known"),
]


@pytest.mark.parametrize(("connection", "host", "expected"), ORIGINS)
def test_the_alert_says_where_a_login_came_from(connection, host, expected):
    given_by_sshd = {"SSH_CONNECTION": connection, "PAM_RHOST": host}
    found = alert_of(**{name: value for name, value in given_by_sshd.items() if value is not None})
    assert found["notes"] == []
    assert wording.origin(found) == expected
    assert forms.read_origin(expected) == (found["address"], found["port"], found["name"])


@pytest.mark.parametrize(("connection", "host", "expected"), ORIGINS)
def test_the_log_names_an_address_and_a_port_only_where_there_are_some(connection, host, expected):
    _event, pairs = forms.read_log_line(log_line(alert_of(SSH_CONNECTION=connection or "", PAM_RHOST=host or "")))
    found = dict(pairs)
    address, port, _name = forms.read_origin(expected)
    assert found.get("port", "") == str(port or "")
    assert found.get("from", "") == address


@pytest.mark.parametrize(
    "connection",
    ["203.0.113.50", "203.0.113.50 x 192.0.2.2 22", "203.0.113.50 123456 192.0.2.2 22", "1 2 3 4 5", "local 1 2 3",
     "203.0.113.50 0 192.0.2.2 22", "UNKNOWN 22 192.0.2.2 22", "evil 45006 192.0.2.2 22", "\x1b 1 2 3"],
)  # fmt: skip
def test_what_sshd_never_writes_is_no_address(connection):
    found = alert_of(SSH_CONNECTION=connection)
    assert (found["address"], found["port"]) == ("", 0)


@pytest.mark.parametrize(
    ("connection", "host"),
    [
        # A module above the line has replaced it, so that a rule for local sockets would match a login from the
        # network.
        ("UNKNOWN 65535 UNKNOWN 65535", "203.0.113.50"),
        ("UNKNOWN 65535 UNKNOWN 65535", "client.example"),
        ("203.0.113.50 0 /run/x 0", "203.0.113.50"),
        # The client's end of a unix socket can have any name, and sshd treats it as an address.
        ("10.0.0.1 0 /run/sshd.socket 0", "10.0.0.1"),
        ("10.0.0.1 22 192.0.2.2 22 0 /run/sshd.socket 0", "10.0.0.1 22 192.0.2.2 22"),
    ],
)
def test_a_local_socket_with_a_name_or_an_address_is_an_anomaly_that_no_rule_ignores(connection, host):
    found = alert_of(SSH_CONNECTION=connection, PAM_RHOST=host)
    assert found["notes"] == DIFFER
    assert (found["address"], found["port"]) == ("local", 0)
    for network in ("local", "10.0.0.0/8", "203.0.113.0/24"):
        assert not rules.is_ignored(found, parts.configuration(ignore=[{"from": network}]))


LOCAL = alert_of(SSH_CONNECTION="UNKNOWN 65535 UNKNOWN 65535")
REMOTE = alert_of(SSH_CONNECTION="203.0.113.50 45006 192.0.2.2 22", PAM_RHOST="203.0.113.50")
OLD = alert_of(PAM_RHOST="203.0.113.50")


@pytest.mark.parametrize(
    ("found", "network", "is_ignored"),
    [
        (LOCAL, "local", True),
        (LOCAL, "0.0.0.0/0", False),
        (LOCAL, "::/0", False),
        (REMOTE, "local", False),
        (REMOTE, "203.0.113.0/24", True),
        (OLD, "203.0.113.0/24", True),
        (OLD, "local", False),
        (alert_of(PAM_RHOST="local"), "local", False),
        (alert_of(PAM_RHOST="203.0.113.50.example"), "203.0.113.0/24", False),
        (alert_of(), "local", False),
    ],
)
def test_a_rule_can_name_local_sockets_and_the_address_that_pam_vouches_for(found, network, is_ignored):
    assert client_networks.problem(network) == ""
    assert rules.is_ignored(found, parts.configuration(ignore=[{"from": network}])) == is_ignored


@pytest.mark.parametrize("word", ["Local", "LOCAL", "locals", "local/8", "UNKNOWN", "unix", "local*", " local"])
def test_no_other_word_stands_for_local_sockets(word):
    assert "write 192.0.2.1, 192.0.2.0/24 or local" in client_networks.problem(word)
    assert not client_networks.holds(word, "local")


def test_a_rule_and_an_alert_mean_the_same_word():
    assert peer.LOCAL == client_networks.LOCAL


@given(st.binary(max_size=60).map(lambda text: text.replace(b"\0", b"")), st.binary(max_size=30))
def test_no_bytes_at_all_make_a_port_without_an_address(connection, host):
    address, port, _name = peer.of(connection, host)
    assert peer.is_address(address) if port else address in (b"", b"local") or peer.is_address(address)


# What these programs set: PAM_TTY, PAM_RUSER, PAM_RHOST (util-linux's su and login, cockpit-session, vsftpd, crond).
SERVICES = [
    ("su", {"PAM_TTY": "pts/0", "PAM_RUSER": "alice"}, "terminal pts/0", "by alice (PAM_RUSER)"),
    ("su-l", {"PAM_TTY": "/dev/pts/0", "PAM_RUSER": "alice"}, "terminal /dev/pts/0", "by alice (PAM_RUSER)"),
    ("login", {"PAM_TTY": "/dev/tty1"}, "terminal /dev/tty1", "not by sshd"),
    ("remote", {"PAM_TTY": "pts/1", "PAM_RHOST": "h.example"},
     "h.example (by PAM_RHOST, port not known), terminal pts/1", "not by sshd"),
    ("cockpit", {"PAM_RHOST": "203.0.113.50"}, "203.0.113.50 (by PAM_RHOST, port not known)", "not by sshd"),
    ("cockpit", {"PAM_RHOST": "203.0.113.50", "PAM_TTY": "web console"},
     '203.0.113.50 (by PAM_RHOST, port not known), terminal "web console"', "not by sshd"),
    ("crond", {"PAM_TTY": "cron"}, "terminal cron", "not by sshd"),
    ("su", {"PAM_RUSER": "a lice"}, "no terminal", 'by "a lice" (PAM_RUSER)'),
]  # fmt: skip


@pytest.mark.parametrize(("service", "items", "expected", "requester"), SERVICES)
def test_a_session_of_another_service_says_which_where_and_for_whom(service, items, expected, requester):
    environment = dict({"PAM_TTY": "", "PAM_SERVICE": service, "PAM_USER": "root"}, **items)
    found = alert_of(PAM_SESSION, **environment)
    shown = {field.name: field.value for field in wording.fields(found, parts.configuration(), found["time"])}
    assert shown["Type"] == f"PAM session ({service})"
    assert shown["From"] == expected
    assert shown["Key"] == requester
    line = wording.line(found, parts.configuration(), found["time"])
    assert line.startswith(f"PAM session ({service}) · from {expected} · ")
    assert line.endswith(f" · {requester}")
    pairs = dict(forms.read_log_line(log_line(found))[1])
    assert pairs["service"] == service
    assert pairs.get("terminal", "") == environment["PAM_TTY"]
    assert pairs.get("by", "") == environment.get("PAM_RUSER", "")
    assert rules.is_ignored(found, parts.configuration(ignore=[{"type": "PAM session", "user": "root"}]))


@pytest.mark.parametrize(
    ("items", "is_sshds"),
    [
        ({"PAM_SERVICE": "sshd", "PAM_TTY": "ssh"}, True),
        ({"PAM_SERVICE": "sshd-second", "PAM_TTY": "ssh"}, True),
        ({"PAM_SERVICE": "sshd-second", "PAM_TTY": "x", "SSH_AUTH_INFO_0": "password"}, True),
        ({"PAM_SERVICE": "sshd-second", "PAM_TTY": "x", "SSH_CONNECTION": ""}, True),
        ({"PAM_SERVICE": "sshd"}, True),
        ({}, True),
        ({"PAM_SERVICE": "login", "PAM_TTY": "/dev/tty1"}, False),
        ({"PAM_SERVICE": "su", "PAM_TTY": "pts/0"}, False),
        ({"PAM_SERVICE": "cockpit"}, False),
    ],
)
def test_a_session_is_sshds_by_what_sshd_sets_and_not_by_its_services_name(items, is_sshds):
    pairs = "".join(f"{name}={value}\0" for name, value in items.items())
    assert Capture(NAME, HEADER + pairs.encode() + b"PAM_USER=x\0").is_sshds == is_sshds


def test_a_terminal_and_a_requester_add_no_words_to_a_line():
    environment = {"PAM_SERVICE": "x) · y", "PAM_TTY": 'tty" · from', "PAM_RUSER": "a · id 1"}
    line = wording.line(alert_of(PAM_SESSION, **environment), parts.configuration(), 0)
    assert line.count(" · ") == 3
