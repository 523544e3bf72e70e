# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""context: what an alert says of its host and of an address, whoever has written it into the alert."""

import json

import parts
import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, configuration
from ssh_login_notify import context, settings, wording
from ssh_login_notify.alert import TEST, own
from ssh_login_notify.channels import slack

NOW = 1763884862.0
INSTANCE = {"id": "i-0123456789abcdef0", "name": "web", "region": "eu-central-1", "account": "123456789012"}
WHOLE = {
    "labels": {"environment": "production", "team": "web"},
    "instance": INSTANCE,
    "instance_connect": {"principal": "arn:aws:sts::123456789012:assumed-role/admin/ada"},
    "reverse_dns": {"name": "client.example.net", "confirmed": True},
    "network": {"country": "Germany", "number": 64496, "owner": "Example Net"},
}


def fields(found, **values):
    return {label: value for _name, label, value in wording.fields(found, configuration(**values), NOW)}


def test_an_alert_without_context_says_nothing_of_it():
    assert list(fields(alert())) == ["User", "Server", "Type", "From", "Time", "Key"]
    assert wording.links(alert(), configuration()) == []


def test_all_of_it_is_shown_in_fields_with_hints_marked_as_such():
    found = fields(alert(context=WHOLE))
    assert list(found) == [
        "User", "Server", "Type", "From", "Hint", "Time", "Key", "environment", "team", "Instance", "Instance Connect",
    ]  # fmt: skip
    assert (found["environment"], found["team"]) == ("production", "web")
    assert found["Instance"] == "web (i-0123456789abcdef0), eu-central-1, account 123456789012"
    assert found["Hint"] == (
        'client.example.net by DNS, which points back to the address, Germany, AS64496 "Example Net"'
    )
    assert found["Instance Connect"] == (
        "arn:aws:sts::123456789012:assumed-role/admin/ada; CloudTrail's event SendSSHPublicKey has the rest"
    )
    line = wording.line(alert(context=WHOLE), configuration(), NOW)
    assert " · from 203.0.113.50 port 45006 · hint: client.example.net by DNS" in line


def test_what_does_not_point_back_says_so():
    hints = {"reverse_dns": {"name": "bank.example", "confirmed": False}}
    assert fields(alert(context=hints))["Hint"] == "bank.example by DNS, which does not point back to the address"


def test_messages_of_the_notifiers_own_name_the_host_too():
    found = fields(dict(own(TEST, []), context=WHOLE))
    assert (found["environment"], found["Instance"][:5]) == ("production", "web (")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "console.aws.amazon.com"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("cn-northwest-1", "console.amazonaws.cn"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(region, host):
    found = dict(WHOLE, instance=dict(INSTANCE, region=region))
    assert wording.links(alert(context=found), configuration()) == [
        ("Instance in the AWS console",
         f"https://{host}/ec2/home?region={region}#InstanceDetails:instanceId=i-0123456789abcdef0"),
        ("SendSSHPublicKey in CloudTrail",
         f"https://{host}/cloudtrailv2/home?region={region}#/events?EventName=SendSSHPublicKey"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["id", "region", "account"])
@pytest.mark.parametrize("wrong", ["", "x", "i-0123456789abcdef0>", "eu-central-1|x", "123456789012\n", None, 7, ["x"]])
def test_an_instance_that_ec2_would_not_name_so_is_none(key, wrong):
    found = alert(context=dict(WHOLE, instance=dict(INSTANCE, **{key: wrong})))
    assert wording.links(found, configuration()) == []
    assert "Instance" not in fields(found)


THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CHOSEN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["labels", "instance", "instance_connect", "reverse_dns", "network", "name", "confirmed", "country", "number",
         "owner", "principal", "id", "region", "account", "<!here>"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@given(THINGS)
def test_whatever_stands_there_a_message_can_be_made(thing):
    found = alert(context=thing)
    shown = wording.fields(found, configuration(), NOW)
    assert all(isinstance(value, str) and value.isprintable() for field in shown for value in field)
    assert not any(set("<>&*") & set(label) for _name, label, _value in shown)


@given(CHOSEN, CHOSEN, CHOSEN, CHOSEN, CHOSEN)
def test_no_text_of_it_is_markup_or_a_part_of_another_hint(name, owner, country, principal, tag):
    values = {
        "instance": dict(INSTANCE, name=tag),
        "instance_connect": {"principal": principal},
        "reverse_dns": {"name": name, "confirmed": False},
        "network": {"country": country, "number": 64496, "owner": owner},
    }
    found = alert(context=values)
    settled = configuration(link="https://x.example/{user}")
    channel = slack.Channel(settled.channels[0], settled, None)
    message = json.loads(channel.message([found], NOW).decode("ascii"))
    for block in message["blocks"]:
        for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
            if text and text["type"] == "plain_text":
                assert not set("<>") & set(text["text"])
    links = [text["text"] for text in message["blocks"][-2]["elements"]]
    assert [link.partition("|")[2] for link in links] == [
        "Your page>", "Instance in the AWS console>", "SendSSHPublicKey in CloudTrail>"
    ]  # fmt: skip
    assert wording.line(found, settled, NOW).count(" · ") == 4


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"Person": "Ada"}, "has the name 'Person': use lower-case letters"),
        ({"a b": "x"}, "has the name 'a b'"),
        ({"*x*": "x"}, "has the name '*x*'"),
        ({1: "x"}, "has the name '1'"),
        ({"x": ""}, "has a value that is empty, too long or not text"),
        ({"x": "a\nb"}, "has a value that is empty"),
        ({"x": 7}, "numbers in quotes"),
        ({"x": "y" * 101}, "too long"),
        ({"x" + str(number): "y" for number in range(11)}, "has more than 10 entries"),
    ],
)
def test_labels_of_another_form_are_refused(labels, words):
    (found,) = settings.problems({"webhook_url": parts.WEBHOOK, "labels": labels})
    assert found.startswith("ssh_login_notify_labels ")
    assert words in found


def test_labels_are_taken():
    labels = {"environment": "production", "region": "Zürich", "tier-1": "yes"}
    assert settings.problems({"webhook_url": parts.WEBHOOK, "labels": labels}) == []
    assert context.labels(alert(context={"labels": labels})) == labels


def test_programs_get_what_is_known_and_nothing_else():
    assert context.of(alert(context=WHOLE)) == WHOLE
    assert context.of(alert()) == context.of(alert(context={"reverse_dns": {}, "network": None, "x": 1})) == {}


@given(THINGS)
def test_programs_get_the_parts_of_the_published_form_alone(thing):
    found = context.of(alert(context=thing))
    assert set(found) <= {"labels", "instance", "instance_connect", "reverse_dns", "network"}
    assert json.loads(json.dumps(found)) == found
