# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""link_template: a link has the administrator's target, whatever its values are."""

import re
from urllib.parse import parse_qs, urlsplit

import parts
import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, configuration
from ssh_login_notify import settings, wording
from ssh_login_notify.link_template import LONGEST, PLACEHOLDERS, fill, problem

GRAFANA = "https://grafana.example.com:3000/d/ssh?var-host={host}&from={time_ms}"
EVERY = "https://wiki.example.com/{user}?" + "&".join(f"{name}={{{name}}}" for name in PLACEHOLDERS)


@pytest.mark.parametrize(
    "template", [GRAFANA, EVERY, "https://x.example", "https://[2001:db8::1]/#{id}", "https://x?{host}"]
)
def test_a_template_of_the_form_is_taken(template):
    assert problem(template) == ""
    assert settings.problems({"webhook_url": parts.WEBHOOK, "link": template}) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("http://grafana.example.com/{host}", "is not an address with https://"),
        ("https://{host}/x", "a placeholder before the end of the host name"),
        ("https://{host}.example.com/", "a placeholder before the end of the host name"),
        ("https://x.example{user}/", "a placeholder before the end of the host name"),
        ("https://ada@x.example/", "is not an address"),
        ("javascript:alert(1)", "is not an address"),
        ("https://x.example/ {host}", "is not an address"),
        ("https://x.example/\n", "is not an address"),
        ("https://x.example/|{host}", "is not an address"),
        ("https://x.example/>{host}", "is not an address"),
        ('https://x.example/"', "is not an address"),
        ("https://x.example/é", "is not an address"),
        ("https://x.example/{hots}/{}", "has unknown placeholders ({hots}, {}): use only {host}, {user}, "),
        ("https://x.example/{host.x}", "has unknown placeholders ({host.x})"),
        ("https://x.example/{host", "has a brace that is not part of a placeholder"),
        ("https://x.example/{{host}}", "has a brace"),
        ("https://x.example/" + "x" * 1000, "is longer than 1000 characters"),
    ],
)
def test_any_other_is_refused_with_what_to_do(template, words):
    (found,) = settings.problems({"webhook_url": parts.WEBHOOK, "link": template})
    assert found.startswith("ssh_login_notify_link ")
    assert words in found
    assert ": " in found


@given(CHOSEN, CHOSEN, CHOSEN, CHOSEN)
def test_no_value_breaks_out_of_its_place(user, address, login_type, host):
    told = alert(user=user, address=address, type=login_type)
    ((title, url),) = wording.links(told, configuration(link=EVERY, host_label=host)) or [
        ("Your page", "https://wiki.example.com/")
    ]
    assert title == "Your page"
    assert re.match(r"https://wiki\.example\.com/[A-Za-z0-9_.~%?=&-]*\Z", url)
    found = parse_qs(urlsplit(url).query, keep_blank_values=True, errors="strict")
    if found:
        assert urlsplit(url).path.count("/") == 1
        assert sorted(found) == sorted(PLACEHOLDERS)
        for name, value in (("user", user), ("address", address), ("type", login_type), ("host", host or "web-3")):
            assert found[name] == [value if value.strip(".") else ""]


def test_a_link_has_the_facts_of_its_login():
    ((_title, url),) = wording.links(alert(), configuration(link=EVERY))
    found = {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
    assert found == {
        "host": "web-3",
        "user": "deploy",
        "address": "203.0.113.50",
        "port": "45006",
        "type": "SSH (interactive)",
        "id": "1763884801.123456-4242",
        "time": "2025-11-23T08:00:01Z",
        "time_ms": "1763884801123",
        "instance": "",
        "region": "",
        "account": "",
    }


@pytest.mark.parametrize("dots", [".", "..", "..."])
def test_dots_alone_name_no_other_directory(dots):
    assert fill("https://x.example/a/{user}/b", {"user": dots}) == "https://x.example/a//b"


@given(st.text(max_size=400))
def test_a_link_that_would_be_too_long_is_left_out(user):
    url = fill("https://x.example/{user}/{user}", {"user": user})
    assert len(url) <= LONGEST


def test_a_message_of_the_notifiers_own_has_no_link():
    from ssh_login_notify.alert import TEST, own

    assert wording.links(own(TEST, []), configuration(link=GRAFANA)) == []
    assert wording.links(alert(), configuration()) == []
