# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with a small notifier that answers like the real one."""

import json
import sys

import pytest

NOTIFIER = """#!{python} -ISB
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as calls:
    json.dump(sys.argv[1:], calls)
answer = json.load(open(os.path.join(here, "answer")))
if answer is None:
    sys.stderr.write("usage: invalid choice: 'mute'")
    sys.exit(2)
print(json.dumps(answer))
sys.exit(2 if answer["answer"] else 0)
"""
WINDOW = {
    "id": "1763884862.123456-4242", "user": "ansible", "address": "10.0.3.7", "key": "publickey SHA256:x",
    "opened_at": "2026-11-23T08:00:00Z", "until": "2026-11-23T08:30:00Z", "minutes": 30, "reason": "deploy 4711",
    "paused": False,
}  # fmt: skip
MUTED = {"changed": True, "mute": WINDOW, "answer": "", "warning": ""}


@pytest.fixture
def run(run_module, tmp_path):
    program = tmp_path / "ssh-login-notify"
    program.write_text(NOTIFIER.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)

    def run(answer=MUTED, **options):
        (tmp_path / "calls").write_text("", encoding="utf-8")
        (tmp_path / "answer").write_text(json.dumps(answer), encoding="utf-8")
        result = run_module("mute", **dict({"program": str(program)}, **options))
        calls = (tmp_path / "calls").read_text(encoding="utf-8")
        return result, json.loads(calls) if calls else None

    return run


def test_a_window_takes_a_reason(run):
    result, call = run()
    assert "state is muted but all of the following are missing: reason" in result["msg"]
    assert call is None


def test_a_state_is_one_of_three(run):
    assert "value of state must be one of: muted, paused, ended" in run(state="off")[0]["msg"]


def test_a_window_is_opened_and_returned(run):
    result, call = run(minutes=30, reason="deploy 4711")
    assert (result["changed"], result["mute"]) == (True, WINDOW)
    assert call == ["mute", "--json", "--minutes", "30", "--reason=deploy 4711"]


def test_a_reason_is_never_taken_for_an_option(run):
    assert run(reason="--end")[1][-1] == "--reason=--end"


def test_a_window_that_is_open_is_no_change(run):
    result, _call = run(dict(MUTED, changed=False), reason="deploy 4711")
    assert (result["changed"], result["mute"]) == (False, WINDOW)


@pytest.mark.parametrize(("state", "option"), [("paused", "--pause"), ("ended", "--end")])
def test_a_window_is_paused_and_ended_without_a_reason(run, state, option):
    result, call = run(dict(MUTED, mute=None, changed=False), state=state)
    assert (result["changed"], result["mute"], call) == (False, None, ["mute", "--json", option])


def test_check_mode_only_asks(run):
    result, call = run(check=True, reason="x")
    assert result["changed"] is True
    assert call[-1] == "--check"


def test_a_refusal_says_why_and_what_to_do(run):
    result, _call = run(dict(MUTED, mute=None, changed=False, answer="not known: log in again"), reason="x")
    assert result["failed"] is True
    assert result["msg"] == "Nothing was muted: not known: log in again."


def test_a_warning_is_passed_on(run):
    result, _call = run(dict(MUTED, warning="nobody knows this key: add it"), reason="x")
    assert "nobody knows this key: add it." in str(result["warnings"])


def test_a_notifier_that_is_too_old_or_missing_is_named(run, tmp_path):
    result, _call = run(None, reason="x")
    assert "exited with 2 and printed no JSON" in result["msg"]
    result, _call = run(reason="x", program=str(tmp_path / "missing"))
    assert "Run the role loginwatch.pam.ssh_login_notify first" in result["msg"]
