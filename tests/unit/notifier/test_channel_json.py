# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels/json: a signed document, or events with the fields of the published schemas.

tests/unit/examples checks the document against its JSON Schema.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import time

import pytest
from forms import CHOSEN
from hypothesis import given
from hypothesis import strategies as st
from parts import FINGERPRINT, alert, answer, configuration
from ssh_login_notify import channels, document
from ssh_login_notify.alert import HEARTBEAT, SELF_CHECK, TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.channels.json import LARGEST_BYTES, signature
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.login_types import TUNNEL
from ssh_login_notify.transport import Answer
from ssh_login_notify.weights import ANOMALY, FAILURES, FIRST, PASSWORD, ROOT, UNKNOWN_KEY

NOW = 1763884862.0
KEY = "whsec_" + base64.b64encode(b"not a real secret, 32 bytes long").decode()
LOGIN = alert(1, weights=[])
CERTIFICATE = {"key_id": "<!channel>", "serial": 1 << 63, "ca": FINGERPRINT}
HEAVY = alert(
    2, weights=[FAILURES, ROOT], reasons=["after 40 failed attempts"], notes=["a note"], name="client.example",
    methods=[
        {"method": "publickey", "key_type": "ED25519", "fingerprint": FINGERPRINT, "certificate": CERTIFICATE},
        {"method": "password"},
    ],
)  # fmt: skip
OWN = [own(TEST, []), own(HEARTBEAT, []), own(SELF_CHECK, ["The PAM line is missing."])]


def make(url="https://receiver.example/alerts", values=None, **more):
    return channels.load(
        dict({"name": "siem", "kind": "json", "url": url}, **more), configuration(**values or {}), None
    )


def body(channel, *alerts, **more):
    return json.loads(channel.message(list(alerts), NOW, **more).decode())


def test_a_document_says_all_that_is_known():
    found = body(make(values={"people": {FINGERPRINT: "Ada"}}), HEAVY, dropped=3)
    assert {name: found[name] for name in ("version", "type", "timestamp", "dropped")} == {
        "version": 1, "type": "loginwatch.alerts", "timestamp": "2025-11-23T08:01:02.000Z", "dropped": 3,
    }  # fmt: skip
    (entry,) = found["alerts"]
    assert entry["time"] == "2025-11-23T08:00:02.123Z"
    assert entry["source"] == {"address": "203.0.113.50", "port": 45006, "name": "client.example", "terminal": ""}
    assert entry["methods"][0]["certificate"] == CERTIFICATE
    assert (entry["methods"][0]["person"], entry["methods"][1]["person"]) == ("Ada", "")
    assert (entry["people"], entry["weights"], entry["notes"]) == (["Ada"], [FAILURES, ROOT], ["a note"])
    assert entry["headline"] == "\U0001f534 after failures, root · Ada as deploy on web-3"
    assert entry["text"].startswith(entry["headline"] + ": ")


def test_every_alert_of_a_message_is_in_one_list():
    assert [entry["id"] for entry in body(make(), LOGIN, HEAVY)["alerts"]] == [LOGIN["id"], HEAVY["id"]]


def test_a_message_is_not_too_large():
    huge = [alert(number, weights=[], notes=["x" * 300] * 60) for number in range(1, 41)]
    channel = make()
    fits = channel.fitting(huge, NOW)
    assert 1 < len(fits) < 40
    assert len(channel.message(fits, NOW)) < LARGEST_BYTES
    assert channel.fitting([dict(huge[0], notes=["x" * 300] * 2000)], NOW)


def test_a_request_is_signed_as_standard_webhooks_says(webhook):
    webhook.instructions = [answer(204, "")]
    channel = make(webhook.url, key=KEY, headers={"Authorization": "Bearer not-a-real-secret"})
    message = channel.message([LOGIN], NOW)
    assert channel.read(channel.send(message, [LOGIN])).kind == DELIVERED
    (request,) = webhook.requests
    assert request.body == message
    assert request.headers["authorization"] == "Bearer not-a-real-secret"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    identity, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert re.match(r"msg_[0-9a-f]{32}$", identity)
    assert abs(time.time() - int(timestamp)) < 10
    signed = f"{identity}.{timestamp}.".encode() + message
    secret = base64.b64decode(KEY[len("whsec_") :])
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == "v1," + expected


def test_the_signature_is_that_of_the_specifications_libraries():
    """The example in the tests of Svix's and Standard Webhooks' own libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_key_nothing_is_signed(webhook):
    make(webhook.url).send(b"{}", [LOGIN])
    assert "webhook-signature" not in webhook.requests[0].headers
    assert "webhook-id" in webhook.requests[0].headers


@pytest.mark.parametrize("key", ["whsec_!", "whsec_abc", "whsec_\u00e9", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_key_of_another_form_is_a_problem_that_does_not_show_it(key):
    with pytest.raises(ConfigurationError) as failed:
        make(key=key)
    assert key not in str(failed.value)


def test_an_id_is_of_the_alerts_and_their_host():
    ids = [
        document.id_of(alerts)
        for alerts in ([LOGIN], [HEAVY], [LOGIN, HEAVY], [dict(LOGIN, host="web-4")], [dict(LOGIN, host="web-\udcff")])
    ]
    assert len(set(ids)) == len(ids)
    assert document.id_of([HEAVY, LOGIN]) == ids[2], "in another order they are the same"


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (200, "", DELIVERED), (200, "anything", DELIVERED), (201, "{}", DELIVERED), (204, "", DELIVERED),
        (200, "<!DOCTYPE html><p>Sign in", FAILED), (410, "", CLOSED), (410, "<html>", FAILED),
        (413, "", REFUSED), (422, '{"detail": []}', REFUSED), (422, "<html>", FAILED), (429, "", LIMITED),
        (429, "<html>", LIMITED), (302, "", FAILED), (400, "", FAILED), (401, "", FAILED), (403, "", FAILED),
        (404, "", FAILED), (500, "", FAILED), (503, "", FAILED),
    ],
)  # fmt: skip
def test_the_status_settles_a_message(status, text, kind):
    found = make().read(Answer(status, text))
    assert found.kind == kind
    assert bool(found.mend) == (kind != DELIVERED)


def test_a_pause_is_obeyed_after_every_status():
    assert make().read(Answer(503, "", "120")).asked == 120
    assert make().read(Answer(429, "", "7")).asked == 7


def test_nothing_is_sent_to_ask():
    channel = make()
    assert channel.knock() is None
    assert channel.IS_REPEATABLE


# github.com/elastic/ecs, generated/ecs/ecs_flat.yml: the type of each field, and the allowed values.
KINDS = {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
CATEGORIES = {"authentication", "session", "host", "process", "configuration", "iam", "network"}
ECS = {
    "@timestamp": "date", "ecs.version": str, "message": str, "tags": [str], "event.kind": KINDS,
    "event.category": CATEGORIES, "event.type": {"start", "end", "info"}, "event.created": "date",
    "event.outcome": {"success", "failure", "unknown"}, "event.action": str, "event.id": str, "event.module": str,
    "event.dataset": str, "event.severity": int, "event.reason": str, "event.provider": str, "host.name": str,
    "host.hostname": str, "observer.product": str, "observer.vendor": str, "observer.version": str,
    "source.address": str, "source.ip": "ip", "source.domain": str, "source.port": int, "related.ip": ["ip"],
    "related.user": [str], "related.hosts": [str], "user.name": str, "process.name": str,
    "labels.environment": str, "cloud.provider": {"aws"}, "cloud.region": str,
    "cloud.instance.id": str, "cloud.instance.name": str, "cloud.account.id": str, "source.geo.country_name": str,
    "source.as.number": int, "source.as.organization.name": str,
}  # fmt: skip


def flat(document, before=""):
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, before + name + ".")
        else:
            yield before + name, value


def check_value(form, value):
    if isinstance(form, list):
        assert isinstance(value, list)
        for each in value:
            check_value(form[0], each)
    elif isinstance(form, set):
        assert set(value if isinstance(value, list) else [value]) <= form
    elif form == "date":
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", value)
    elif form == "ip":
        ipaddress.ip_address(value)
        assert "%" not in value, "no zone: databases of addresses take none"
    else:
        assert type(value) is form


def check_ecs(event):
    custom = event.pop("loginwatch")
    for name, value in flat(event):
        check_value(ECS[name], value)
    for needed in ("@timestamp", "ecs.version", "event.kind", "event.category", "event.type"):
        assert needed in dict(flat(event))
    return custom


CONTEXT = {
    "labels": {"environment": "production"},
    "instance": {"id": "i-0123456789abcdef0", "name": "web", "region": "eu-central-1", "account": "123456789012"},
    "network": {"country": "Germany", "number": 64496, "owner": "Example Net"},
}
IN_CONTEXT = [
    alert(4, weights=[], context=CONTEXT),
    alert(5, weights=[], context={"network": {"owner": "Example Net"}}),
    alert(6, weights=[], address="", port=0, context={"network": {"number": 64496}}),
]


@pytest.mark.parametrize("sent", [LOGIN, HEAVY, alert(3, weights=[], address="fe80::1%eth0"), *IN_CONTEXT, *OWN])
def test_an_event_of_ecs_has_fields_of_ecs(sent):
    (event,) = body(make(format="ecs"), dict({"weights": []}, **sent))
    assert check_ecs(event)["id"] == sent["id"]


def test_an_event_of_ecs_says_where_it_is():
    (event,) = body(make(format="ecs"), IN_CONTEXT[0])
    assert event["labels"] == {"environment": "production"}
    assert event["cloud"] == {
        "provider": "aws", "region": "eu-central-1", "account": {"id": "123456789012"},
        "instance": {"id": "i-0123456789abcdef0", "name": "web"},
    }  # fmt: skip
    assert event["source"]["geo"] == {"country_name": "Germany"}
    assert event["source"]["as"] == {"number": 64496, "organization": {"name": "Example Net"}}


def test_an_event_of_ecs_says_what_it_is():
    (event,) = body(make(format="ecs"), HEAVY, dropped=2)
    assert event["event"]["category"] == ["authentication", "session"]
    assert (event["event"]["kind"], event["event"]["outcome"], event["event"]["type"]) == (
        "alert",
        "success",
        ["start"],
    )
    assert event["source"] == {
        "address": "203.0.113.50", "ip": "203.0.113.50", "port": 45006, "domain": "client.example",
    }  # fmt: skip
    assert (event["user"]["name"], event["tags"]) == ("deploy", [FAILURES, ROOT])
    assert event["loginwatch"]["dropped"] == 2


# github.com/ocsf/ocsf-schema, dictionary.json, events/base_event.json, events/iam/authentication.json and objects/: the
# type of each attribute, and the allowed values.
OCSF = {
    "category_uid": {0, 3}, "category_name": str, "class_uid": {0, 3002}, "class_name": str, "activity_id": {1, 99},
    "activity_name": str, "type_uid": {99, 300201}, "severity_id": {1, 2, 3, 4, 5, 6}, "severity": str, "time": int,
    "message": str, "metadata.version": str, "metadata.uid": str, "metadata.logged_time": int,
    "metadata.product.name": str, "metadata.product.vendor_name": str, "metadata.product.version": str,
    "status_id": {0, 1, 2}, "status": str, "user.name": str, "service.name": str, "dst_endpoint.hostname": str,
    "dst_endpoint.name": str, "src_endpoint.ip": "ip", "src_endpoint.port": int, "src_endpoint.hostname": str,
    "is_remote": bool, "is_mfa": bool, "logon_type_id": {3, 10}, "logon_type": str, "auth_protocol_id": {99},
    "auth_protocol": str,
}  # fmt: skip
REQUIRED = {"category_uid", "class_uid", "activity_id", "type_uid", "severity_id", "time", "metadata.version"}


def check_ocsf(event):
    custom = event.pop("unmapped")
    for name, value in flat(event):
        check_value(OCSF[name], value)
    assert set(dict(flat(event))) >= REQUIRED
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    return custom


@pytest.mark.parametrize(
    "sent", [LOGIN, HEAVY, alert(3, weights=[], address="local", port=0, methods=[], user=""), *OWN]
)
def test_an_event_of_ocsf_has_attributes_of_its_class(sent):
    (event,) = body(make(format="ocsf"), dict({"weights": []}, **sent))
    assert check_ocsf(event)["id"] == sent["id"]


@pytest.mark.parametrize(
    ("weights", "severity"),
    [([], 1), ([FIRST], 2), ([ROOT], 2), ([PASSWORD], 3), ([UNKNOWN_KEY, ROOT], 3), ([ANOMALY], 4), ([FAILURES], 4)],
)
def test_the_severity_of_ocsf_is_that_of_the_heaviest_weight(weights, severity):
    (event,) = body(make(format="ocsf"), alert(1, weights=weights))
    assert event["severity_id"] == severity


def test_an_event_of_ocsf_says_what_it_is():
    (event,) = body(make(format="ocsf"), HEAVY)
    assert (event["class_uid"], event["activity_id"], event["status_id"]) == (3002, 1, 1)
    assert event["src_endpoint"] == {"ip": "203.0.113.50", "port": 45006, "hostname": "client.example"}
    assert (event["logon_type_id"], event["is_mfa"], event["is_remote"]) == (10, True, True)
    assert (event["auth_protocol_id"], event["auth_protocol"]) == (99, "publickey, password")
    (event,) = body(make(format="ocsf"), alert(1, weights=[], type=TUNNEL))
    assert event["logon_type_id"] == 3


CHANNELS = {form: make(format=form) for form in ("loginwatch", "ecs", "ocsf")}


@given(form=st.sampled_from(sorted(CHANNELS)), user=CHOSEN, note=CHOSEN, name=CHOSEN, detail=CHOSEN)
def test_no_text_that_strangers_choose_leaves_its_value(form, user, note, name, detail):
    methods = [{"method": "keyboard-interactive", "detail": detail}]
    sent = alert(1, weights=[], user=user, notes=[note], name=name, methods=methods)
    raw = CHANNELS[form].message([sent], NOW)
    assert raw.decode("ascii").isprintable()
    found = json.loads(raw.decode())
    if form == "loginwatch":
        (entry,) = found["alerts"]
    else:
        (entry,) = [{"ecs": check_ecs, "ocsf": check_ocsf}[form](event) for event in found]
    assert (entry["user"], entry["notes"], entry["source"]["name"]) == (user, [note], name)
    assert entry["methods"][0]["detail"] == detail
