# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""config: every error is one sentence that says how to fix it, without the secret."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, WEBHOOK, configuration, needs_root
from ssh_login_notify import config
from ssh_login_notify.config import Configuration, ConfigurationError, load

SECRET = "not-a-real-secret"
MEND = "run the role again$|chown root:root, chmod 0600$"


def refusal(**values):
    with pytest.raises(ConfigurationError, match=MEND) as refused:
        Configuration(values)
    sentence = str(refused.value)
    assert SECRET not in sentence
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ssh-notify.conf"

    def write(text, mode=0o600):
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        path.chmod(mode)
        return str(path)

    return write


@needs_root
def test_a_whole_configuration_is_read(file):
    values = {
        "webhook_url": WEBHOOK,
        "host_label": "web-3",
        "allow_http": False,
        "ca_file": "/etc/ssl/ca.pem",
        "proxy": "http://proxy.example:3128",
        "people": {FINGERPRINT: "Ada Lovelace"},
        "ignore": [{"user": "backup", "from": "10.0.0.0/8", "key": FINGERPRINT, "type": "rsync"}],
        "mentions": [{"weight": ["root", "failures"], "mention": "<!here>"}],
        "repeat_minutes": 0,
        "daily_failures": True,
        "pam_services": ["sshd", "login"],
        "accept": ["user_environment"],
        "heartbeat_message": False,
        "heartbeat_ping_url": "https://switch.example/not-a-real-secret",
        "longest_silence": 26,
        "labels": {"environment": "production"},
        "link": "https://grafana.example/d/ssh?var-host={host}",
        "reverse_dns": True,
        "geo_database": "/var/lib/GeoIP/GeoLite2-Country.mmdb",
        "language": "ja",
        "metrics_file": "/var/lib/node_exporter/ssh_login_notify.prom",
        "most_waiting": 20,
        "most_waiting_mib": 1,
    }
    found = load(file(values))
    channels = [{"name": "webhook", "kind": "slack", "url": WEBHOOK}]
    assert vars(found) == dict(values, channels=channels, exposed=False)
    assert found.webhook_host == "hooks.slack.example"


@needs_root
def test_the_webhook_is_the_first_channel_and_entries_have_the_defaults_of_their_kinds(file):
    entry = {"name": "ops", "kind": "telegram", "token": "123456:not-a-real-token-at-all", "chat": -5}
    for webhook, others in ((WEBHOOK, [{"name": "webhook", "kind": "slack", "url": WEBHOOK}]), ("", [])):
        found = load(file({"webhook_url": webhook, "channels": [entry]})).channels
        assert found[:-1] == others
        defaults = {"topic": 0, "api_url": "https://api.telegram.org", "only": [], "ignore": [], "notices": True}
        assert found[-1] == dict(entry, chat="-5", **defaults)


def test_a_channel_that_can_not_be_used_is_named_without_its_secrets():
    entry = {"name": "ops", "kind": "discord", "url": "http://relay.example/" + SECRET}
    sentence = refusal(channels=[entry])
    assert sentence.startswith("url of the channel ops of ssh_login_notify_channels starts with plain http://")
    assert sentence.endswith(", and run the role again")


def test_all_but_the_webhook_may_be_left_out(file):
    channels = [{"name": "webhook", "kind": "slack", "url": WEBHOOK}]
    expected = dict(config.DEFAULTS, webhook_url=WEBHOOK, channels=channels, exposed=False)
    assert vars(load(file({"webhook_url": WEBHOOK}))) == expected


def test_one_configuration_does_not_change_another():
    configuration().people["SHA256:x"] = "Eve"
    assert configuration().people == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
@needs_root
def test_a_file_that_others_may_read_is_no_reason_to_fall_silent(file, mode):
    assert load(file({"webhook_url": WEBHOOK}, mode)).exposed


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o660, 0o666])
@needs_root
def test_a_file_that_others_may_write_is_refused(file, mode):
    with pytest.raises(ConfigurationError, match=r"belong to root alone.*: chown root:root, chmod 0600"):
        load(file({"webhook_url": WEBHOOK}, mode))


@needs_root
def test_a_file_of_somebody_else_is_refused(file):
    path = file({"webhook_url": WEBHOOK})
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigurationError, match="belong to root alone"):
        load(path)


@needs_root
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON: run the role again"),
        ('{"webhook_url": "' + WEBHOOK, "is not JSON: run the role again"),
        ("[]", "is not a JSON object: run the role again"),
        ('"' + WEBHOOK + '"', "is not a JSON object: run the role again"),
    ],
)
def test_a_file_that_is_damaged_is_refused_without_a_word_of_it(file, text, sentence):
    with pytest.raises(ConfigurationError) as refused:
        load(file(text))
    assert str(refused.value).endswith(sentence)
    assert SECRET not in str(refused.value)


def test_a_file_that_is_missing_or_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="is missing: run the role again"):
        load(str(tmp_path / "missing"))
    with pytest.raises(ConfigurationError, match=r"can't be read \(Is a directory\): run the role again"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        ["https://x"],
        "hooks.slack.example/services/" + SECRET,
        "ftp://hooks.slack.example/" + SECRET,
        "https:///services/" + SECRET,
        "https://[::1/" + SECRET,
        "https://host:port/" + SECRET,
        "https://host:99999/" + SECRET,
        "https://hooks..example/" + SECRET,
        "https://.example/" + SECRET,
        "https://" + "x" * 64 + ".example/" + SECRET,
        WEBHOOK + "\r\nX-Header: 1",
        WEBHOOK + " ",
        WEBHOOK + "é",
        "{{ vault_webhook_" + SECRET + " }}",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    assert "webhook_url" in refusal(webhook_url=url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_plain_http_is_taken_on_this_host(host):
    assert configuration(f"http://{host}:8080/{SECRET}").webhook_host == host.strip("[]")


@pytest.mark.parametrize(
    "host", ["hooks.slack.example", "10.0.0.1", "localhost.example", "127.0.0.1.example", "[2001:db8::1]", "0.0.0.0"]
)
def test_plain_http_to_elsewhere_is_taken_only_where_it_is_allowed(host):
    url = f"http://{host}/{SECRET}"
    assert "use https://, or set ssh_login_notify_allow_http: true" in refusal(webhook_url=url)
    assert configuration(url, allow_http=True).webhook_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host_label", 3),
        ("allow_http", "yes"),
        ("allow_http", 1),
        ("ca_file", None),
        ("proxy", ["http://proxy:1"]),
        ("people", ["Ada"]),
        ("ignore", {"user": "x"}),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_variable(name, value):
    values = {"webhook_url": WEBHOOK, name: value}
    assert refusal(**values).startswith("ssh_login_notify_" + name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("most_waiting", 0), ("most_waiting_mib", -1), ("longest_silence", -1), ("most_waiting", True),
     ("most_waiting", "20"), ("repeat_minutes", -1), ("repeat_minutes", 1441), ("daily_failures", 1),
     ("heartbeat_message", 1), ("pam_services", [""]), ("pam_services", [3]),
     ("heartbeat_ping_url", "http://switch.example/not-a-real-secret"), ("heartbeat_ping_url", "https:///x"),
     ("heartbeat_ping_url", "not-a-real-secret"), ("metrics_file", "x.prom"), ("metrics_file", "/var/lib/x.txt")],
)  # fmt: skip
def test_what_the_timer_and_the_limits_can_not_work_with_is_refused(name, value):
    sentence = refusal(webhook_url=WEBHOOK, **{name: value})
    assert sentence.startswith("ssh_login_notify_" + name)


def test_an_unknown_name_is_refused_by_its_name():
    assert "weebhook" in refusal(webhook_url=WEBHOOK, weebhook=SECRET)


def test_people_without_names_are_refused():
    assert "ssh_login_notify_people" in refusal(webhook_url=WEBHOOK, people={FINGERPRINT: None})


@pytest.mark.parametrize(
    "proxy",
    ["proxy:3128", "http://proxy", "https://proxy:3128", "socks5://proxy:1080", "http://proxy:99999", "http://:3128",
     "http://proxy :3128", "http://[::1:3128", f"http://eve:{SECRET}@", f"http://eve:{SECRET}@proxy",
     f"http://eve:a@{SECRET}@proxy:3128", f"http://eve:{SECRET}/@proxy:3128", f"http://eve:{SECRET}%@proxy:3128",
     f"http://eve:{SECRET}%4@proxy:3128", f"http://e%3ae:{SECRET}@proxy:3128", f"http://:{SECRET}@proxy:3128",
     f"http://eve:{SECRET} @proxy:3128", f"http://{SECRET}@proxy:3128"],
)  # fmt: skip
def test_a_proxy_that_is_none_is_refused(proxy):
    assert "http://host:port" in refusal(webhook_url=WEBHOOK, proxy=proxy)


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "http://192.0.2.1:8080/", "http://[2001:db8::1]:3128"])
def test_a_proxy_is_a_host_and_a_port(proxy):
    assert configuration(proxy=proxy).proxy == configuration(proxy=proxy).proxy_shown == proxy


@pytest.mark.parametrize("host", ["proxy:3128", "[2001:db8::1]:3128"])
@pytest.mark.parametrize("user", [f"ada:{SECRET}", f"CORP%5Cada:%40%3A%2F%25{SECRET}", f"ada:a:{SECRET}", "ada:"])
def test_a_proxy_may_have_a_user_and_a_password_which_are_not_shown(user, host):
    found = configuration(proxy=f"http://{user}@{host}")
    assert found.proxy == f"http://{user}@{host}"
    assert found.proxy_shown == f"http://{host}"


@pytest.mark.parametrize(
    "rule",
    [
        {},
        None,
        "deploy",
        {"users": "deploy"},
        {"user": ""},
        {"user": []},
        {"user": ["deploy", ""]},
        {"user": ["deploy", 7]},
        {"user": {"deploy": "x"}},
        {"reason": ["a", "b"]},
        {"until": ["2027-03-31"], "user": "deploy"},
        {"from": "10.0.0.0/33"},
        {"from": "10.0.0.5/8"},
        {"from": "office.example"},
        {"from": "fe80::1"},
        {"from": "fe80::/64"},
        {"from": "fe80::1%"},
        {"from": "fe80::1%eth0%eth1"},
        {"from": "fe80::1%eth0/64"},
        {"from": "fe80::1/64%eth0"},
        {"from": "2001:db8::1%eth0"},
        {"from": "10.0.0.1%eth0"},
        {"from": "010.0.0.1"},
        {"from": "::ffff:010.0.0.1"},
        {"from": "10.0.0.0/255.0.0.08"},
        {"from": "::ffff:192.0.2.1/120"},
        {"from": " 10.0.0.1"},
        {"from": "10.0.0.1\n"},
        {"user": "deploy", "from": ""},
    ],
)
def test_a_rule_that_silences_all_or_never_matches_is_refused(rule):
    assert "ssh_login_notify_ignore" in refusal(webhook_url=WEBHOOK, ignore=[{"user": "x"}, rule])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"user": "root"}, "mentions nobody: write mention: '<!here>', "),
        ({"user": "root", "mention": "@here"}, "mentions nobody: write mention: '<!here>', "),
        ({"user": "root", "mention": "<!here> <!channel>"}, "mentions nobody: "),
        ({"mention": "<!here>"}, "has no keys, so it matches every login: give it at least one of user, "),
        ({"weight": "heavy", "mention": "<!here>"}, "has the unknown weight 'heavy': use only anomaly, "),
        ({"users": "root", "mention": "<!here>"}, "has the unknown key 'users': use only user, "),
        ("root", "mentions nobody: "),
    ],
)
def test_what_is_wrong_with_a_mention_is_said_with_what_to_write(rule, words):
    said = refusal(webhook_url=WEBHOOK, mentions=[{"user": "ada", "mention": "<@U024BE7LH>"}, rule])
    assert said.startswith("rule 2 of ssh_login_notify_mentions " + words)


@given(st.text(min_size=1, max_size=40), st.booleans())
def test_every_address_has_a_host_or_is_refused(text, allow_http):
    for url in (text, "https://" + text, "http://" + text):
        with contextlib.suppress(ConfigurationError):
            assert configuration(url, allow_http=allow_http).webhook_host


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.0.0.5/8", "write 10.0.0.0/8 for the network, 10.0.0.5 for the address"),
        ("fe80::1%eth0/64", "write fe80::%eth0/64 for the network, fe80::1%eth0 for the address"),
        ("fe80::1", "every interface has such addresses: write the interface, as in fe80::1%eth0"),
        ("fe80::/64", "as in fe80::%eth0/64"),
        ("2001:db8::1%eth0", "has a zone, which only link-local addresses have"),
        ("010.0.0.1", "a leading zero"),
        ("office.example", "is not an address or a network"),
        ("a\x1b\nb", "'a\\x1b\\nb' is not an address"),
    ],
)
def test_what_is_wrong_with_a_network_is_said_with_what_to_write(network, words):
    said = refusal(webhook_url=WEBHOOK, ignore=[{"from": network}])
    assert words in said
    assert said.startswith("rule 1 of ssh_login_notify_ignore")


# Addresses, and their error messages. The role has the same rules (tests/unit/role/test_settings.py).
ADDRESSES = json.loads((Path(__file__).resolve().parents[1] / "webhook_addresses.json").read_text())


@pytest.mark.parametrize("url", sorted(ADDRESSES))
def test_of_slacks_addresses_only_an_incoming_webhooks_is_taken(url):
    if not ADDRESSES[url]:
        assert configuration(url, allow_http=True).webhook_url == url
        return
    sentence = refusal(webhook_url=url, allow_http=True)
    assert ADDRESSES[url] in sentence
    assert "not an incoming webhook: create an incoming webhook" in sentence
    assert "not-a-real-secret" not in sentence
