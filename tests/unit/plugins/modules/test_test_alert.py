# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with a small notifier that answers like the real one."""

import ctypes
import json
import re
import sys

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _notifier, _pam_session

WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/not-a-real-secret"
SECRET = WEBHOOK.rsplit("/", 1)[1]
LINE = """\
session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid {program}
session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0
session optional pam_exec.so type=open_session quiet seteuid {program}
"""
# Run by PAM, it records the connection. Its status then says that the alert of this connection was delivered.
NOTIFIER = """#!{python} -ISB
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(" ".join(sys.argv[1:] or [os.environ.get("PAM_TYPE", "")]) + "\\n")
answers = json.load(open(os.path.join(here, "answers")))
if "PAM_TYPE" in os.environ:
    with open(os.path.join(here, "captured"), "w") as captured:
        json.dump(dict(os.environ), captured)
    sys.exit(answers.get("hook_exit", 0))
time.sleep(answers.get("sleep", 0))
if "exit" in answers:
    print(answers["print"])
    sys.stderr.write(answers["print"])
    sys.exit(answers["exit"])
if sys.argv[1:3] == ["test", "--json"]:
    only = sys.argv[4] if "--channel" in sys.argv else "test"
    print(json.dumps(answers[only]))
    sys.exit(0 if answers[only]["delivered"] else 1)
assert sys.argv[1:] == ["status", "--json"]
status = answers["status"]
asked = open(os.path.join(here, "calls")).read().count("status")
if asked < answers.get("delivers_after", 0):
    answers["delivers"] = False
if os.path.exists(os.path.join(here, "captured")) and answers.get("delivers", True):
    address, port = json.load(open(os.path.join(here, "captured")))["SSH_CONNECTION"].split()[:2]
    other = dict(id="1.0-1", user="ada", delivered_at=2.0, status=200)
    status["recent_deliveries"] = [dict(other, **{{"from": "192.0.2.1 port 1"}})]
    status["recent_deliveries"].append(dict(other, id="2.0-2", **{{"from": address + " port " + port}}))
if "channels" in answers and os.path.exists(os.path.join(here, "captured")):
    address, port = json.load(open(os.path.join(here, "captured")))["SSH_CONNECTION"].split()[:2]
    origin = address + " port " + port
    status["channels"] = answers["channels"]
    takers = [name for name in status["channels"] if status["channels"][name].pop("delivers", False)]
    status["recent_deliveries"] = [dict(id="2.0-2", channel=name, status=200, **{{"from": origin}}) for name in takers]
    status["recent_ignored"] = [] if takers else [dict(rule=0, **{{"from": origin}})] * answers.get("ignored", True)
    for found in status["channels"].values():
        if "last_answer" in found:
            found["last_answer"]["from"] = origin
if "refused" in answers and os.path.exists(os.path.join(here, "captured")):
    address, port = json.load(open(os.path.join(here, "captured")))["SSH_CONNECTION"].split()[:2]
    status["last_answer"] = dict({{"from": address + " port " + port}}, **answers["refused"])
print(json.dumps(status))
"""


@pytest.fixture
def notifier(tmp_path):
    return Notifier(tmp_path)


class Notifier:
    def __init__(self, path):
        self.path = path
        self.program = path / "ssh-login-notify"
        self.program.write_text(NOTIFIER.format(python=sys.executable), encoding="utf-8")
        self.program.chmod(0o755)
        self.pam_d = path / "pam.d"
        self.pam_d.mkdir()
        self.sshd = self.pam_d / "sshd"
        self.sshd.write_text(LINE.format(program=self.program) + "session required pam_permit.so\n", encoding="utf-8")
        self.status = {"captured": 0, "waiting": 0, "failed": 0, "problems": [], "recent_deliveries": []}
        self.answers(test={"delivered": True, "status": 200, "answer": "ok", "mend": None, "seconds": 0.2, "id": "1-2"})

    def answers(self, **answers):
        text = json.dumps(dict({"status": self.status}, **answers))
        (self.path / "answers").write_text(text, encoding="utf-8")

    def calls(self):
        calls = self.path / "calls"
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    def services(self):
        return sorted(path.name for path in self.pam_d.iterdir())

    def captured(self):
        return json.loads((self.path / "captured").read_text(encoding="utf-8"))


@pytest.fixture
def run(run_module, notifier):
    def run(**options):
        return run_module("test_alert", **dict({"program": str(notifier.program)}, **options))

    return run


def test_arguments_are_checked(run):
    assert "value of path must be one of: direct, pam" in run(path="ssh")["msg"]
    assert "at least 1 second" in run(timeout=0)["msg"]
    assert "the rules say where the alert of a PAM session goes" in run(path="pam", channel="ops")["msg"]
    assert "a PAM session uses the installed one" in run(path="pam", configuration="/root/candidate.conf")["msg"]


@pytest.mark.parametrize("path", ["direct", "pam"])
def test_check_mode_sends_nothing(run, notifier, path):
    result = run(path=path, check=True, pam_d=str(notifier.pam_d))
    assert (result["changed"], result["delivered"]) == (False, None)
    assert notifier.calls() == []
    assert notifier.services() == ["sshd"]


def test_check_mode_does_not_ask_for_an_installation(run):
    assert "failed" not in run(check=True, program="/nonexistent")


# -- directly ---------------------------------------------------------------------------------------------------------


def test_another_configuration_is_tried(run, notifier):
    assert run(configuration="/root/candidate.conf")["delivered"] is True
    assert notifier.calls() == ["test --json --configuration /root/candidate.conf"]


def test_a_delivered_alert(run, notifier):
    result = run()
    assert notifier.calls() == ["test --json"]
    assert result["changed"] is False
    expected = {"delivered": True, "status": 200, "answer": "ok", "mend": None, "seconds": 0.2, "id": "1-2"}
    assert {name: result[name] for name in expected} == expected


def test_a_refused_alert_fails_and_names_the_mend(run, notifier):
    answer = {"delivered": False, "status": 404, "answer": "no_service", "mend": "create a new webhook"}
    notifier.answers(test=dict(answer, seconds=0.1, id="1-2"))
    result = run()
    assert result["failed"] is True
    assert result["msg"] == "The test alert was not delivered (404 no_service). Create a new webhook."
    assert {name: result[name] for name in answer} == answer


@pytest.mark.parametrize("delivered", ["yes", 1, None])
def test_only_a_plain_yes_is_a_delivery(run, notifier, delivered):
    answer = {"delivered": delivered, "status": None, "answer": None, "mend": None, "seconds": None, "id": None}
    notifier.answers(test=answer)
    assert run()["failed"] is True


def test_a_missing_program_fails_and_names_the_mend(run):
    result = run(program="/nonexistent/ssh-login-notify")
    assert result["failed"] is True
    assert result["delivered"] is False
    assert "/nonexistent/ssh-login-notify" in result["msg"]
    assert "Run the role loginwatch.pam.ssh_login_notify" in result["msg"]


def test_a_program_that_is_not_executable_fails(run, notifier):
    notifier.program.chmod(0o644)
    assert "cannot be run: Permission denied" in run()["msg"]


def test_a_program_that_hangs_is_given_up(run, notifier):
    notifier.answers(sleep=20)
    assert "did not answer within 1 s" in run(timeout=1)["msg"]


@pytest.mark.parametrize(("code", "mend"), [(1, "Run it on the host"), (3, "Become root")])
def test_output_that_is_no_json_is_not_shown(run, run_module, notifier, code, mend):
    notifier.answers(exit=code, print="Traceback: " + WEBHOOK)
    result = run()
    assert f"exited with {code} and printed no JSON. {mend}" in result["msg"]
    assert b"Traceback" not in run_module.output
    assert SECRET.encode() not in run_module.output


def test_a_webhook_in_the_answer_is_masked(run, notifier):
    answer = {"delivered": False, "status": None, "answer": f"cannot reach '{WEBHOOK}', see {WEBHOOK}", "seconds": 1.0}
    notifier.answers(test=dict(answer, mend=f"Mend /services/T00000000/B00000000/{SECRET}!", id=WEBHOOK))
    result = run()
    assert SECRET not in json.dumps(result)
    assert "'https://hooks.slack.example/...'" in result["msg"]


WELL = {"delivered": True, "status": 200, "answer": "ok", "mend": None, "seconds": 0.2}
GONE = {"delivered": False, "status": 404, "answer": "no_service", "mend": "create a new webhook", "seconds": 0.1}


def test_each_channel_is_tried_and_the_first_that_failed_is_named(run, notifier):
    # The program's answer has the names in alphabetical order, and at its top the first one of the settings.
    other = dict(GONE, status=403, answer="closed")
    notifier.answers(test=dict(other, id="1-2", channels={"chat": WELL, "ops": GONE, "zzz": other}))
    result = run()
    assert result["failed"] is True
    assert result["msg"] == (
        "The test alert was not delivered to the channel ops (404 no_service). Create a new webhook."
    )
    assert (result["channel"], result["channels"]) == ("ops", {"chat": WELL, "ops": GONE, "zzz": other})
    notifier.answers(test=dict(WELL, id="1-2", channels={"chat": WELL, "ops": WELL}))
    result = run()
    assert (result["delivered"], result["channel"]) == (True, None)
    assert result["channels"] == {"chat": WELL, "ops": WELL}


def test_one_channel_alone_is_tried(run, notifier):
    notifier.answers(ops=dict(GONE, id="1-2", channels={"ops": GONE}))
    result = run(channel="ops")
    assert notifier.calls() == ["test --json --channel ops"]
    assert result["msg"] == "The test alert was not delivered (404 no_service). Create a new webhook."


def test_secrets_in_the_answers_of_channels_are_masked(run, notifier):
    bad = dict(GONE, answer=f"cannot reach '{WEBHOOK}'", mend=f"look at {WEBHOOK}")
    notifier.answers(test=dict(bad, id="1-2", channels={"chat": bad, "ops": WELL}))
    assert SECRET not in json.dumps(run())


# -- through a PAM session --------------------------------------------------------------------------------------------


def has_confdir():
    try:
        return hasattr(ctypes.CDLL("libpam.so.0"), "pam_start_confdir")
    except OSError:
        return False


takes_confdir = pytest.mark.skipif(not has_confdir(), reason="takes a Linux-PAM with pam_start_confdir, 1.4 or later")


@pytest.fixture
def run_pam(run, notifier):
    return lambda **options: run(path="pam", pam_d=str(notifier.pam_d), **options)


@takes_confdir
def test_the_installed_line_is_tried_and_its_alert_awaited(run_pam, notifier):
    result = run_pam()
    assert (result["changed"], result["delivered"], result["status"]) == (False, True, 200)
    assert (result["answer"], result["mend"], result["id"]) == ("ok", None, "2.0-2")
    assert 0 < result["seconds"] < 30
    assert notifier.calls().count("open_session") == 1
    seen = notifier.captured()
    assert (seen["PAM_SERVICE"], seen["PAM_USER"]) == ("ssh-login-notify-test", "loginwatch-test")
    assert (seen["PAM_TTY"], seen["PAM_RHOST"], seen["PAM_TYPE"]) == ("ssh", "192.0.2.1", "open_session")
    assert re.match(r"192\.0\.2\.1 [0-9]+ 192\.0\.2\.2 22\Z", seen["SSH_CONNECTION"])


@takes_confdir
def test_of_several_channels_those_that_take_no_login_are_tried_directly(run_pam, notifier):
    delivers = {"delivers": True, "waiting": 0}
    channels = {"chat": delivers, "ops": {"waiting": 0}, "mail": dict(delivers, waiting=1)}
    notifier.answers(channels=channels, ops=dict(WELL, id="1-2", channels={"ops": WELL}))
    result = run_pam()
    assert (result["delivered"], result["channel"], result["id"]) == (True, None, "2.0-2")
    assert {name: found["delivered"] for name, found in result["channels"].items()} == dict.fromkeys(channels, True)
    assert [call for call in notifier.calls() if call.startswith("test")] == ["test --json --channel ops"]


@takes_confdir
def test_a_session_that_no_channel_takes_is_no_failure(run_pam, notifier):
    channels = {"chat": {"waiting": 0}, "ops": {"waiting": 0}}
    well = dict(WELL, id="1-2", channels={})
    notifier.answers(channels=channels, ops=well, chat=well)
    assert run_pam()["delivered"] is True
    notifier.answers(channels=channels, ignored=False, ops=well, chat=well)
    assert "not delivered in time" in run_pam(timeout=1)["msg"]


@takes_confdir
@pytest.mark.parametrize("how", ["refused", "waits", "not tried"])
def test_the_channel_that_did_not_deliver_is_named_with_its_answer(run_pam, notifier, how):
    answer = {"status": 404 if how == "refused" else 503, "answer": "no_service", "mend": "create a new webhook"}
    dead = {"waiting": 1, "last_answer": answer} if how != "not tried" else {"waiting": 0}
    notifier.answers(
        channels={"chat": {"delivers": True, "waiting": 0}, "ops": dead},
        ops=dict(GONE, status=503, id="1-2", channels={"ops": GONE}),
    )
    result = run_pam(timeout=30 if how == "refused" else 1)
    assert result["failed"] is True
    assert "not delivered to the channel ops (" in result["msg"]
    assert result["msg"].endswith(" no_service). Create a new webhook.")
    assert result["channel"] == "ops"
    assert result["channels"]["chat"]["delivered"] is True
    assert result["channels"]["ops"]["delivered"] is False


@takes_confdir
def test_the_service_holds_the_line_as_it_stands_and_goes_afterwards(run_pam, notifier):
    line = LINE.format(program=notifier.program).replace(" seteuid", " seteuid log=" + str(notifier.path / "log"))
    notifier.sshd.write_text(line + "session required pam_permit.so\n", encoding="utf-8")
    assert run_pam()["delivered"] is True
    assert (notifier.path / "log").exists()
    assert notifier.services() == ["sshd"]


@takes_confdir
def test_each_session_has_a_port_of_its_own(run_pam, notifier):
    ports = set()
    for _number in range(3):
        run_pam()
        ports.add(notifier.captured()["SSH_CONNECTION"].split()[1])
    assert len(ports) > 1


@takes_confdir
def test_an_alert_that_does_not_come_fails_with_what_the_notifier_knows(run_pam, notifier):
    notifier.status.update(waiting=3, problems=["3 alerts wait for " + WEBHOOK])
    notifier.answers(delivers=False)
    result = run_pam(timeout=1)
    assert result["failed"] is True
    assert result["delivered"] is False
    assert "3 waiting" in result["answer"]
    assert "3 alerts wait" in result["answer"]
    assert "status" in result["mend"]
    assert 1 <= result["seconds"] < 30, "the module's own default"
    assert SECRET not in json.dumps(result)
    assert notifier.services() == ["sshd"]


@takes_confdir
def test_a_host_that_is_slow_to_answer_gets_more_time_to_deliver(run_pam, notifier):
    """An emulated processor takes ten seconds for a `status`, and delivers between two of them."""
    notifier.answers(sleep=0.5, delivers_after=4)
    result = run_pam(timeout=1)
    assert (result["delivered"], notifier.calls().count("status --json")) == (True, 4)
    assert result["seconds"] > 2


def test_a_slow_host_is_waited_for_only_in_proportion(notifier, slow_session):
    """The wait for a delivery ends on a slow host as well."""
    session, clock = slow_session(notifier, 12.0)
    outcome = session._wait("192.0.2.1 port 5", clock.now, clock.now + 30)
    assert outcome.delivered is False
    assert 180 <= outcome.seconds < 200


def test_a_host_whose_status_hangs_is_overloaded(notifier, monkeypatch):
    notifier.answers(sleep=20)
    monkeypatch.setattr(_notifier, "STATUS_TIMEOUT_SECONDS", 1)
    with pytest.raises(_notifier.NoAnswerError, match=r"did not answer within 1 s\. The host is overloaded"):
        _notifier.Notifier(str(notifier.program)).status()


class Clock:
    def __init__(self):
        self.now = 1000.0

    def sleep(self, seconds):
        self.now += seconds

    def monotonic(self):
        return self.now


@pytest.fixture
def slow_session(monkeypatch):
    """Return a session on a host whose `status` takes this many seconds, and its clock."""

    def make(notifier, seconds_per_answer):
        clock = Clock()

        class Slow:
            program = str(notifier.program)

            @staticmethod
            def status():
                clock.sleep(seconds_per_answer)
                return notifier.status

        monkeypatch.setattr(_pam_session, "time", clock)
        return _pam_session.PamSession(None, Slow(), "sshd", str(notifier.pam_d)), clock

    return make


REFUSED = {"id": "2.0-2", "status": 404, "answer": "no_service " + WEBHOOK, "mend": "create a new webhook", "at": 2.0}


@takes_confdir
def test_a_refusal_of_the_sessions_alert_is_told_at_once(run_pam, notifier):
    notifier.answers(delivers=False, refused=REFUSED)
    result = run_pam()
    assert "not delivered (404 no_service https://hooks.slack.example/...). " in result["msg"]
    assert result["msg"].endswith(" Create a new webhook.")
    assert (result["delivered"], result["status"], result["mend"], result["id"]) == (
        False, 404, "create a new webhook", "2.0-2",
    )  # fmt: skip
    assert result["seconds"] < 10
    assert SECRET not in json.dumps(result)


@takes_confdir
@pytest.mark.parametrize("status", [429, 503, None])
def test_after_an_answer_that_is_no_last_word_it_waits_and_then_tells_it(run_pam, notifier, status):
    notifier.answers(delivers=False, refused=dict(REFUSED, status=status, answer="wait", mend="it is tried again"))
    result = run_pam(timeout=1)
    assert (result["status"], result["answer"], result["mend"]) == (status, "wait", "it is tried again")
    assert result["seconds"] >= 1


@takes_confdir
def test_a_delivery_counts_more_than_an_earlier_refusal(run_pam, notifier):
    notifier.answers(refused=REFUSED)
    assert run_pam()["delivered"] is True


@takes_confdir
def test_the_refusal_of_another_alert_is_not_ours(run_pam, notifier):
    notifier.answers(delivers=False, refused=dict(REFUSED, **{"from": "192.0.2.1 port 1"}))
    result = run_pam(timeout=1)
    assert (result["status"], result["id"]) == (None, None)


@takes_confdir
def test_a_line_that_fails_is_named_and_the_service_goes_all_the_same(run_pam, notifier):
    notifier.answers(hook_exit=1)
    result = run_pam()
    assert "PAM could not run the program with the line 'session optional pam_exec.so" in result["msg"]
    assert notifier.services() == ["sshd"]


@takes_confdir
def test_a_link_in_the_place_of_the_service_is_not_followed(run_pam, notifier):
    (notifier.path / "precious").write_text("precious", encoding="utf-8")
    (notifier.pam_d / "ssh-login-notify-test").symlink_to(notifier.path / "precious")
    assert run_pam()["delivered"] is True
    assert (notifier.path / "precious").read_text(encoding="utf-8") == "precious"
    assert notifier.services() == ["sshd"]


def test_a_service_without_the_line_fails_and_names_the_mend(run_pam, notifier):
    notifier.sshd.write_text(LINE.format(program=notifier.program).replace("session", "# session"), encoding="utf-8")
    result = run_pam()
    assert f"No line in the session part of {notifier.sshd}" in result["msg"]
    assert "pam_exec_line" in result["msg"]
    assert notifier.calls() == []


def test_a_service_without_a_file_fails(run_pam):
    assert "No such file" in run_pam(service="dropbear")["msg"]


@takes_confdir
@pytest.mark.parametrize("hook_exit", [0, 1])
def test_a_notifier_that_gives_no_status_is_told_at_once(run_pam, notifier, hook_exit):
    notifier.answers(exit=3, print="root only", hook_exit=hook_exit)
    assert "Become root" in run_pam()["msg"]
    assert notifier.calls() == ["open_session", "status --json"]


@takes_confdir
def test_a_program_that_is_gone_is_told_as_that(run_pam, notifier):
    notifier.program.unlink()
    assert f"{notifier.program}, or the interpreter in its first line, does not exist" in run_pam()["msg"]
