# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the notifier's answers say about a test alert. No program is run here."""

import json

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _notifier

ORIGIN = "192.0.2.1 port 40000"
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/not-a-real-secret"
DELIVERY = {"from": ORIGIN, "status": 200, "id": "2.0-2"}
REFUSAL = {"from": ORIGIN, "status": 404, "answer": "no_service", "mend": "create a new webhook", "id": "2.0-2"}


def outcome(is_over=False, **status):
    return _notifier.outcome_of_login(status, ORIGIN, 1.5, is_over)


def test_a_delivery_from_the_origin_is_the_outcome():
    other = dict(DELIVERY, **{"from": "192.0.2.1 port 4000"})
    found = outcome(recent_deliveries=[other, DELIVERY], last_answer=REFUSAL)
    assert found == _notifier.Outcome(True, 200, "ok", None, 1.5, "2.0-2")
    assert outcome(recent_deliveries=[other]) is None


@pytest.mark.parametrize("status", [{}, {"recent_deliveries": None, "last_answer": None}])
def test_without_a_word_about_the_login_it_is_open_even_in_the_end(status):
    assert outcome(**status) is None
    assert outcome(is_over=True, **status) is None


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_that_no_retry_changes_is_final_at_once(status):
    found = outcome(last_answer=dict(REFUSAL, status=status))
    assert found == _notifier.Outcome(False, status, "no_service", "create a new webhook", 1.5, "2.0-2")


@pytest.mark.parametrize("status", [None, 408, 429, 500, 503])
def test_any_other_refusal_is_final_when_the_time_is_over(status):
    refusal = dict(REFUSAL, status=status)
    assert outcome(last_answer=refusal) is None
    assert outcome(is_over=True, last_answer=refusal).status == status


def test_the_refusal_of_another_login_says_nothing():
    assert outcome(is_over=True, last_answer=dict(REFUSAL, **{"from": "192.0.2.1 port 1"})) is None


def test_a_timeout_has_the_counts_and_the_problems():
    status = {"captured": 0, "waiting": 3, "problems": [f"3 alerts wait for {WEBHOOK}"]}
    found = _notifier.outcome_of_timeout(status, "/opt/notify", 30.0)
    assert not found.delivered
    assert found.answer == (
        "the session's alert was not delivered in time (0 captured, 3 waiting, ? failed);"
        " 3 alerts wait for https://hooks.slack.example/..."
    )
    assert "'/opt/notify status'" in found.mend


def test_a_failure_has_what_is_known_and_no_glue_for_what_is_not():
    values = {"delivered": False, "seconds": None, "id": None}
    known = _notifier.Outcome(status=404, answer="no_service", mend="create a new webhook", **values)
    assert known.failure() == "The test alert was not delivered (404 no_service). Create a new webhook."
    unknown = _notifier.Outcome(status=None, answer="", mend=None, **values)
    assert unknown.failure() == "The test alert was not delivered."


def test_only_true_is_a_delivery():
    assert _notifier.outcome_of_test({"delivered": True}).delivered is True
    for value in ("yes", 1, None):
        assert _notifier.outcome_of_test({"delivered": value}).delivered is False


@pytest.mark.parametrize("output", [b"", b"[]", b"null", b"\xff", b"Traceback: " + WEBHOOK.encode()])
def test_anything_but_an_object_is_no_answer_and_is_not_quoted(output):
    with pytest.raises(_notifier.NoAnswerError) as refused:
        _notifier.parse_answer("notify status", 3, output)
    assert str(refused.value) == "'notify status' exited with 3 and printed no JSON. Become root for this task."


def test_an_object_is_the_answer():
    assert _notifier.parse_answer("notify status", 1, json.dumps({"waiting": 1}).encode()) == {"waiting": 1}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (None, None),
        ("ok", "ok"),
        (f"cannot reach '{WEBHOOK}', see {WEBHOOK}", "cannot reach 'https://hooks.slack.example/...', see https://hooks.slack.example/..."),
        ("POST /services/T0/B0/x failed", "POST /services/... failed"),
        ("https://hooks.slack.example is down", "https://hooks.slack.example is down"),
    ],
)  # fmt: skip
def test_the_path_of_a_url_is_masked(text, masked):
    assert _notifier.without_secrets(text) == masked
