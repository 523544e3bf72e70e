# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: for root only, with text for people, JSON for machines, and the documented exit codes."""

import errno
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import parts
import pytest
from parts import FINGERPRINT, alert, answer, needs_root, wait_for
from ssh_login_notify import (
    build,
    cli,
    config,
    heartbeat,
    ledger,
    overflow,
    paths,
    privileges,
    proof,
    self_check,
    sender,
    sshd_log,
    trial,
)
from ssh_login_notify.alert import to_json
from ssh_login_notify.exit_codes import CRITICAL, OK, TRY_LATER, UNKNOWN, WARNING
from ssh_login_notify.retries import FEW_TRIES
from ssh_login_notify.spool import Lock, Spool
from ssh_login_notify.state import DELIVERY, State

# Python itself can affect each case.
pytestmark = [needs_root, pytest.mark.each]
SECRET = "not-a-real-secret"


class Host:
    """The command line, with the configuration and the spool of a directory, and without giving up root."""

    def __init__(self, monkeypatch, capsys, tmp_path, spool, webhook):
        self.capsys, self.spool, self.webhook = capsys, spool, webhook
        parts.make_well(tmp_path, monkeypatch)
        self.path = tmp_path / "ssh-notify.conf"
        self.configure()
        monkeypatch.setattr(config, "PATH", str(self.path))
        monkeypatch.setattr(config.load, "__defaults__", (str(self.path),))
        monkeypatch.setattr(Spool.__init__, "__defaults__", (spool.root,))
        self.given_up = []
        monkeypatch.setattr(sender, "give_up", lambda: self.given_up.append(len(webhook.requests)))
        monkeypatch.setattr(trial, "give_up", sender.give_up)

    def configure(self, **values):
        values.setdefault("webhook_url", self.webhook.url)
        self.path.write_text(json.dumps(values))
        self.path.chmod(0o600)

    def run(self, *arguments):
        """Return the exit code, standard output and standard error. No secret is in either."""
        mask = os.umask(0o022)
        try:
            code = cli.main(list(arguments))
        finally:
            os.umask(mask)
        printed = self.capsys.readouterr()
        assert SECRET not in printed.out + printed.err
        return code, printed.out, printed.err

    def json(self, *arguments):
        code, out, err = self.run(*arguments, "--json")
        assert err == ""
        return code, json.loads(out)

    def put(self, *numbers, **more):
        directory = more.pop("directory", "outgoing")
        for number in numbers:
            self.spool.write(directory, alert(number)["id"], to_json(alert(number, **more)), 0o640)

    def put_now(self, age=0.0, directory="outgoing", contents=None):
        name = f"{time.time() - age:017.6f}-{os.getpid()}"
        found = alert(id=name, time=time.time() - age)
        self.spool.write(directory, name, to_json(found) if contents is None else contents, 0o640)
        return name


@pytest.fixture
def host(monkeypatch, capsys, tmp_path, spool, webhook, said):
    return Host(monkeypatch, capsys, tmp_path, spool, webhook)


@pytest.mark.parametrize("command", ["check", "test", "status", "flush", "send"])
def test_other_users_get_one_sentence(host, monkeypatch, command):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, out, err = host.run(command)
    assert (code, out) == (UNKNOWN, "")
    assert err.count("\n") == 1
    assert "only root can run it" in err
    assert host.webhook.requests == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["test", "--help"]])
def test_anybody_may_ask_for_help(host, monkeypatch, arguments):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as ended:
        host.run(*arguments)
    assert ended.value.code == 0
    assert "ssh-login-notify" in host.capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["status", "--yaml"]])
def test_a_call_that_is_wrong_ends_with_2(host, arguments):
    with pytest.raises(SystemExit) as ended:
        host.run(*arguments)
    assert ended.value.code == 2


def test_a_test_says_that_it_arrived(host):
    code, found = host.json("test")
    assert code == OK
    assert (found["delivered"], found["status"], found["answer"], found["mend"]) == (True, 200, "ok", None)
    assert 0 < found["seconds"] < 5
    assert set(found) == {"delivered", "status", "answer", "mend", "seconds", "id", "channels"}
    assert set(found["channels"]) == {"webhook"}
    message = json.loads(host.webhook.requests[0].body.decode())
    assert message["blocks"][-1]["elements"][0]["text"] == "id " + found["id"]
    assert host.given_up == [0]  # before anything was sent
    assert host.run("test")[1].startswith("delivered in 0.")


@pytest.mark.parametrize(
    ("status", "text", "part"),
    [(404, "no_service", "create a new one"), (200, "portal", "look for a proxy"), (500, "", "status.slack.com")],
)
def test_a_refused_test_reports_slacks_answer_and_the_fix(host, status, text, part):
    host.webhook.instructions.extend([answer(status, text)] * 2)
    code, found = host.json("test")
    assert code == WARNING
    assert (found["delivered"], found["status"], found["answer"]) == (False, status, text)
    assert part in found["mend"]
    code, out, _ = host.run("test")
    assert code == WARNING
    assert out.startswith(f"not delivered. {status} {text}".strip())
    assert part in out


def test_a_test_can_try_a_configuration_that_is_not_installed(host, tmp_path):
    other = tmp_path / "candidate"
    other.write_text(json.dumps({"webhook_url": host.webhook.url, "host_label": "the candidate"}))
    other.chmod(0o600)
    before = host.path.read_bytes()
    code, found = host.json("test", "--configuration", str(other))
    assert (code, found["delivered"]) == (OK, True)
    assert b"the candidate" in host.webhook.requests[0].body
    assert host.path.read_bytes() == before
    other.chmod(0o666)
    code, found = host.json("test", "--configuration", str(other))
    assert code == CRITICAL
    assert found["answer"] == f"{other} must belong to root alone, because it contains the webhook"
    assert len(host.webhook.requests) == 1


def test_a_test_that_reaches_nobody_says_where_to_look(host):
    host.webhook.instructions.append(parts.reset)
    code, found = host.json("test")
    assert (code, found["delivered"], found["status"]) == (WARNING, False, None)
    assert "Connection reset" in found["answer"]
    assert "firewall" in found["mend"]


@pytest.mark.parametrize(
    ("values", "said_of_it", "mend"),
    [
        ({"webhook_url": None}, "ssh_login_notify_webhook_url is not set", "create an incoming webhook"),
        ({"weebhook": "x"}, "the configuration has unknown entries (weebhook)", "run the role again"),
        ({"ca_file": "/missing.pem", "webhook_url": parts.WEBHOOK}, "the CA file /missing.pem can't be used",
         "correct ssh_login_notify_ca_file"),
        ({"webhook_url": "http://hooks.slack.example/" + SECRET}, "ssh_login_notify_webhook_url starts with plain http://",
         "use https://"),
        ({"ignore": [{"from": "x"}]}, "rule 1 of ssh_login_notify_ignore cannot compare an address, because 'x' is",
         "write 192.0.2.1"),
    ],
)  # fmt: skip
def test_a_test_with_a_wrong_configuration_reports_the_fault_and_the_fix(host, values, said_of_it, mend):
    host.configure(**values)
    code, found = host.json("test")
    assert (code, found["delivered"], found["status"]) == (CRITICAL, False, None)
    assert found["answer"].startswith(said_of_it)
    assert found["mend"].startswith(mend)
    assert host.webhook.requests == []


def test_a_test_without_the_system_user_reports_the_fix_and_sends_nothing(host, monkeypatch):
    monkeypatch.setattr(trial, "give_up", privileges.give_up)
    monkeypatch.setattr(paths, "USER", "no-such-user")
    code, found = host.json("test")
    assert (code, found["mend"]) == (CRITICAL, "run the role again")
    assert host.webhook.requests == []


def test_a_test_waits_as_slack_has_asked_and_not_for_ever(host, slept):
    State(host.spool).waiting("429 rate_limited", "Slack allows", 20, asked=True)
    assert host.run("test")[0] == OK
    assert 19 < slept[0] <= 20
    State(host.spool).waiting("429 rate_limited", "Slack allows", 500, asked=True)
    code, found = host.json("test")
    assert (code, found["delivered"], len(host.webhook.requests)) == (WARNING, False, 1)
    assert "Slack has asked for a pause" in found["answer"]


def test_a_wait_that_slack_asks_a_test_for_is_the_senders_too(host, slept):
    host.webhook.instructions.append(answer(429, "rate_limited", "Retry-After: 500"))
    assert host.run("test")[0] == WARNING
    host.put(1)
    assert host.run("send")[0] == TRY_LATER
    assert len(host.webhook.requests) == 1
    assert 499 < State(host.spool).seconds_left(asked=True) <= 500


def test_a_test_beside_a_sender_at_work_leaves_the_memory_to_that(host):
    host.webhook.instructions.append(answer(429, "rate_limited", "Retry-After: 500"))
    with parts.another_process_holding(host.spool.path("sender.lock")):
        assert host.run("test")[0] == WARNING
    assert State(host.spool).seconds_left(asked=True) == 0


def test_a_test_goes_past_the_spool_and_does_without_one(host):
    os.rename(host.spool.root, host.spool.root + ".away")
    host.webhook.instructions.append(answer(429, "rate_limited", "Retry-After: 500"))
    assert host.run("test")[0] == WARNING
    assert host.run("test")[0] == OK


def test_an_answer_can_not_control_the_terminal(host):
    host.webhook.instructions.append(parts.raw(b"HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\n\x1b[2J"))
    assert "\x1b" not in host.run("test")[1]


# Words that imitate the program's own, with a line end and terminal control characters.
FORGED = "ok: all is well\x1b[2J\r\nid 1; delivered"
SHOWN = '"ok: all is well\\u001b[2J\\u000d\\u000aid 1; delivered"'


def test_an_answer_in_other_words_than_slacks_stands_in_quotes_wherever_it_is_shown(host, slept, said):
    host.webhook.instructions += [answer(403, FORGED)] * 50
    host.put(1)
    shown = [host.run(command)[1] for command in ("test", "flush", "status")]
    host.webhook.instructions.clear()
    host.webhook.instructions.append(answer(400, "invalid_payload"))
    assert all(f"403 {SHOWN}" in text for text in shown), shown
    assert host.json("status")[1]["last_answer"]["answer"] == SHOWN
    host.run("flush")
    name = alert(1)["id"]
    assert host.spool.read("failed", name + ".answer").startswith(b"400 invalid_payload: "), "Slack's own stand plain"


def test_the_status_of_a_host_where_all_is_well(host):
    host.configure(host_label="web-3", people={FINGERPRINT: "Ada"}, ignore=[{"user": "x"}])
    host.put(1, 2)
    host.run("send")
    code, found = host.json("status")
    assert (code, found["state"], found["problems"], found["version"]) == (OK, "ok", [], build.name())
    assert (found["captured"], found["waiting"], found["failed"], found["oldest_waiting_seconds"]) == (0, 0, 0, None)
    assert found["configuration"] == {
        "path": str(host.path), "webhook_host": "127.0.0.1", "host_label": "web-3", "proxy": "", "ca_file": "",
        "people": 1, "ignore": 1,
    }  # fmt: skip
    host.configure(proxy="http://ada:not-a-real-secret@proxy.example:3128")
    shown = host.run("status", "--json")[1]
    assert json.loads(shown)["configuration"]["proxy"] == "http://proxy.example:3128"
    assert "not-a-real-secret" not in shown
    host.configure(host_label="web-3", people={FINGERPRINT: "Ada"}, ignore=[{"user": "x"}])
    assert [entry["id"] for entry in found["recent_deliveries"]] == [alert(1)["id"], alert(2)["id"]]
    assert found["last_delivery"] == found["recent_deliveries"][-1]
    assert set(found["last_delivery"]) == {*DELIVERY, "channel"}
    assert list(found["channels"]) == ["webhook"]
    code, out, _ = host.run("status")
    assert code == OK
    assert out.startswith("OK: ")
    assert "captured 0, waiting 0, failed 0" in out
    assert "deploy from 203.0.113.50 port 45006" in out


def test_the_status_of_a_host_that_has_sent_nothing_yet(host):
    code, found = host.json("status")
    assert (code, found["last_delivery"], found["recent_deliveries"]) == (OK, None, [])
    assert found["configuration"]["host_label"] == os.uname().nodename


@pytest.mark.whole
def test_the_status_names_a_rule_that_is_over_and_all_is_well_for_all_that(host):
    host.configure(ignore=[{"user": "x"}, {"user": "y", "until": "2020-01-31"}, {"user": "z", "until": "9999-12-31"}])
    code, found = host.json("status")
    (sentence,) = found["ended_rules"]
    assert (code, found["problems"]) == (OK, [])
    assert sentence.startswith("rule 2 of ssh_login_notify_ignore ended on 2020-01-31 and matches no login any more: ")
    assert f"; {sentence}" in host.run("status")[1]
    host.configure(ignore=[{"user": "x"}])
    assert host.json("status")[1]["ended_rules"] == []
    assert "ended on" not in host.run("status")[1]


def figures_of(line):
    """Return the performance data of a line by label, as monitoring parses it: after the first bar."""
    words = line.partition("|")[2].split()
    return {label: values.split(";") for label, _equals, values in (word.partition("=") for word in words)}


@pytest.mark.whole
def test_the_status_has_performance_data_for_monitoring(host):
    host.put(1)
    host.json("flush")
    host.put(2, 3)
    out = host.run("status")[1]
    figures = figures_of(out)
    assert out.count("\n") == 1
    assert [figures[label] for label in ("captured", "waiting", "failed", "dropped")] == [
        ["0", "", "", "0"], ["2", "", "", "0"], ["0", "", "", "0"], ["0c", "", "", "0"]
    ]  # fmt: skip
    assert figures["oldest_waiting"][0].endswith("s")
    assert float(figures["oldest_waiting"][0][:-1]) > 1000
    assert 0 <= int(figures["last_delivery_age"][0][:-1]) < 60


def test_a_figure_that_is_not_known_is_u(host):
    assert figures_of(host.run("status")[1])["last_delivery_age"][0] == "U"
    os.rename(host.spool.root, host.spool.root + "-gone")
    code, out, _ = host.run("status")
    assert code == CRITICAL
    assert [figures_of(out)[label][0] for label in ("captured", "waiting", "failed")] == ["U"] * 3


def test_no_user_adds_performance_data(host):
    delivery = {"id": "1-1", "user": "x|waiting=99", "from": "x", "login_time": 0, "status": 200, "delivered_at": 5}
    State(host.spool).delivered([delivery])
    out = host.run("status")[1]
    assert out.count("|") == 1
    assert figures_of(out)["waiting"][0] == "0"
    assert "x\\u007cwaiting=99" in out


def test_the_status_changes_nothing_and_opens_no_connection(host):
    host.put(1)
    host.spool.wake()
    before = sorted(os.walk(host.spool.root))
    host.json("status")
    assert sorted(os.walk(host.spool.root)) == before
    assert host.webhook.connections == 0


def test_alerts_that_wait_for_a_moment_are_no_problem(host):
    host.put_now()
    code, found = host.json("status")
    assert (code, found["waiting"]) == (OK, 1)
    assert 0 <= found["oldest_waiting_seconds"] < 5


def test_alerts_that_wait_because_of_trouble_are_a_warning_with_the_reason(host):
    host.put_now()
    State(host.spool).waiting("503 x", "it is tried again", 60)
    code, found = host.json("status")
    assert (code, found["state"]) == (WARNING, "warning")
    assert found["problems"] == ["alerts wait: 503 x: it is tried again"]


def test_alerts_that_have_waited_for_long_are_critical(host):
    host.put_now(age=1000)
    code, found = host.json("status")
    assert (code, found["state"]) == (CRITICAL, "critical")
    assert "alerts have waited for 17 minutes: not attempted yet" in found["problems"]
    assert 999 < found["oldest_waiting_seconds"] < 1010


@pytest.mark.whole
def test_a_capture_that_nobody_finishes_is_a_warning(host):
    host.put_now(age=5, directory="incoming", contents=b"x")
    assert host.json("status")[0] == OK
    host.put_now(age=90, directory="incoming", contents=b"x")
    code, found = host.json("status")
    assert (code, found["captured"]) == (WARNING, 2)


@pytest.mark.whole
def test_alerts_that_were_refused_are_critical_with_slacks_words(host):
    host.put(1)
    host.webhook.instructions.append(answer(400, "invalid_payload"))
    host.run("send")
    code, found = host.json("status")
    assert (code, found["failed"]) == (CRITICAL, 1)
    assert "400 invalid_payload: " in found["problems"][0]


@pytest.mark.whole
def test_a_webhook_that_is_closed_is_critical_at_once_with_slacks_words(host):
    host.put_now()
    host.webhook.instructions.append(answer(404, "no_service"))
    host.run("flush")
    code, found = host.json("status")
    assert (code, found["failed"], found["waiting"]) == (CRITICAL, 0, 1)
    assert found["problems"] == [
        "alerts wait: 404 no_service: the webhook was removed or switched off; "
        "create a new one in Slack (Apps, Incoming Webhooks) and run the role again with it"
    ]


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        (answer(413, "EICAR"), "the last attempt ended with 413: check for a proxy or filter on the way to 127.0.0.1"),
        (parts.reset, "no answer: they may be posted already: check for a proxy or filter on the way to 127"),
        (answer(200, "EICAR"), "200: they may be posted already: 127.0.0.1 does not answer like Slack;"),
    ],
)
def test_a_stuck_alert_is_critical_and_does_not_block_others(host, slept, instruction, said):
    host.put_now(age=2000)
    # The others get through, which shows that this message is the cause.
    host.webhook.instructions.extend([instruction] * FEW_TRIES)
    host.put(1999999999)
    if "200" not in said:
        # A persistent connection that is reset is opened again.
        host.webhook.instructions.extend([answer(200, "ok"), *[instruction] * (2 if instruction is parts.reset else 1)])
    assert host.run("send")[0] == OK, "it is nothing that another run within a minute could do"
    code, found = host.json("status")
    assert (code, found["waiting"]) == (CRITICAL, 1)
    (problem,) = found["problems"]
    assert problem.startswith("1 alert is stuck, ")
    assert said in problem
    assert "EICAR" not in problem, "the self-check reports it the same way"


def test_status_works_without_a_configuration_or_spool(host):
    host.put(1)
    host.path.unlink()
    code, found = host.json("status")
    assert (code, found["waiting"]) == (CRITICAL, 1)
    assert "is missing: run the role again" in found["problems"][0]
    os.rename(host.spool.root, host.spool.root + ".away")
    code, found = host.json("status")
    assert (code, found["waiting"]) == (CRITICAL, None)
    assert "the spool can't be used" in found["problems"][1]
    assert host.run("status")[0] == CRITICAL


def test_flush_ignores_the_senders_own_pause(host):
    host.put(1, 2)
    State(host.spool).waiting("429", "x", 600)
    code, found = host.json("flush")
    assert (code, found) == (OK, {"delivered": 2, "waiting": 0, "failed": 0, "answer": "200 ok"})


def test_a_failed_flush_reports_how_many_wait_and_why(host):
    host.put(1, 2)
    host.webhook.instructions.append(answer(503, "x"))
    code, found = host.json("flush")
    assert (code, found) == (WARNING, {"delivered": 0, "waiting": 2, "failed": 0, "answer": "503 x"})


def test_flush_can_retry_refused_alerts(host):
    host.put(1)
    host.webhook.instructions.append(answer(400, "invalid_payload"))
    code, found = host.json("flush")
    assert (code, found["failed"], found["answer"]) == (CRITICAL, 1, "400 invalid_payload")
    code, found = host.json("flush", "--failed")
    assert (code, found) == (OK, {"delivered": 1, "waiting": 0, "failed": 0, "answer": "200 ok"})
    assert os.listdir(host.spool.path("failed")) == []


def test_a_flush_with_nothing_to_send_is_well(host):
    code, found = host.json("flush")
    assert (code, found) == (OK, {"delivered": 0, "waiting": 0, "failed": 0, "answer": None})
    assert host.run("flush")[1] == "delivered 0, waiting 0, failed 0\n"


def test_a_flush_beside_a_sender_at_work_leaves_it_to_that(host, monkeypatch):
    monkeypatch.setattr(sender, "AT_WORK_SECONDS", 0.1)
    host.put(1)
    with parts.another_process_holding(host.spool.path("sender.lock")):
        code, found = host.json("flush")
        assert (code, found["waiting"], found["answer"]) == (WARNING, 1, None)
        assert "another sender is running" in found["sender"]
        assert host.run("flush")[1].splitlines() == ["delivered 0, waiting 1, failed 0", found["sender"]]
        assert host.run("send")[0] == OK
        assert host.webhook.requests == []


def waiting_sender(spool, webhook):
    """A sender in a process of its own, as `send` runs it."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from ssh_login_notify import config, paths, self_check, sender, spool\n"
        "spool.Spool.__init__.__defaults__ = (sys.argv[2],)\n"
        "paths.OVERFLOW = sys.argv[2] + '/overflow'\n"
        "sender.give_up = lambda: None\n"
        "config.load = lambda: found\n"
        "self_check.is_due = lambda _: False\n"
        "found = config.Configuration({'webhook_url': sys.argv[3]})\n"
        "os._exit(sender.main())\n"
    )
    return subprocess.Popen([sys.executable, "-ISBc", code, parts.library(), spool.root, webhook.url])


@pytest.mark.parametrize("status", [503, 404])
def test_a_flush_beside_a_sender_that_waits_sends_itself(host, status):
    host.put(1, 2)
    State(host.spool).waiting("503", "x", 60)
    waiting = waiting_sender(host.spool, host.webhook)
    try:
        wait_for(lambda: Lock(host.spool.path("sender.lock")).holder() == waiting.pid)
        code, found = host.json("flush")
        assert (code, found) == (OK, {"delivered": 2, "waiting": 0, "failed": 0, "answer": "200 ok"})
        assert waiting.wait(parts.LONGEST_WAIT) == TRY_LATER
    finally:
        waiting.kill()
        waiting.wait()


def test_a_sender_that_may_not_be_asked_to_make_way_is_at_work(host, monkeypatch):
    """The watch against tampering has no CAP_KILL, and the sender runs as another user."""
    host.put(1)
    monkeypatch.setattr(sender, "AT_WORK_SECONDS", 0.1)
    refused = []

    def kill(pid, _signal):
        refused.append(pid)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", kill)
    with parts.another_process_holding(host.spool.path("sender.lock")):
        assert sender.flush(host.spool, put_back=False) is None
    assert len(refused) == 1


def test_a_sender_that_is_asked_to_make_way_ends_no_request_for_it(host):
    host.put(1, 2)
    received = threading.Event()
    go_on = threading.Event()
    host.webhook.instructions.append(
        lambda connection: received.set() or (go_on.wait(parts.LONGEST_WAIT) and parts.OK(connection))
    )
    waiting = waiting_sender(host.spool, host.webhook)
    try:
        assert received.wait(parts.LONGEST_WAIT)
        os.kill(waiting.pid, sender.MAKE_WAY)
        go_on.set()
        assert waiting.wait(parts.LONGEST_WAIT) == OK
    finally:
        waiting.kill()
        waiting.wait()
    assert [alert(number)["id"].encode() in host.webhook.requests[number - 1].body for number in (1, 2)] == [True, True]
    assert len(host.webhook.requests) == 2


def test_asking_a_sender_to_stop_affects_no_other_process():
    child = subprocess.Popen([sys.executable, "-ISc", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    child.send_signal(sender.MAKE_WAY)
    child.stdin.close()
    assert child.wait() == 0


@pytest.mark.parametrize("missing", ["", "incoming", "outgoing"])
def test_a_missing_spool_is_reported_with_the_fix(host, missing):
    os.rename(host.spool.path(missing), str(host.path) + ".away")
    code, found = host.json("flush")
    assert code == CRITICAL
    assert "run the role again" in found["answer"]
    code, _, err = host.run("send")
    assert code == CRITICAL
    assert "run the role again" in err
    assert err.count("\n") == 1


def test_send_sends_and_says_nothing(host):
    host.put(1)
    assert host.run("send") == (OK, "", "")
    assert len(host.webhook.requests) == 1
    assert host.given_up == [0]


def test_send_logs_problems(host, said):
    host.path.chmod(0o666)
    code, _, err = host.run("send")
    assert code == CRITICAL
    assert "belong to root alone" in err
    assert "belong to root alone" in said[-1][1]
    assert SECRET not in str(said)


def test_a_mistake_of_our_own_does_not_end_the_wait_that_slack_has_asked_for(host):
    State(host.spool).waiting("429 rate_limited", "Slack allows", 1800, asked=True)
    host.path.chmod(0o666)
    assert host.run("send")[0] == CRITICAL
    state = State(host.spool)
    assert "belong to root alone" in state.trouble["what"]
    assert state.seconds_left(asked=True) > 1790


def test_systemds_journal_has_it_in_one_line(host, said, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:42")
    host.path.unlink()
    assert host.run("send") == (CRITICAL, "", "")
    assert len(said) == 1


def test_undeliverable_alerts_do_not_fill_the_disk(host, monkeypatch):
    monkeypatch.setitem(config.DEFAULTS, "most_waiting", 3)
    host.put(*range(5))
    host.path.unlink()
    assert host.run("send")[0] == CRITICAL
    assert host.json("status")[1]["waiting"] == 3
    host.configure()
    host.run("send")
    assert b"2 older alerts were dropped" in host.webhook.requests[0].body


def test_work_that_needs_the_lock_is_not_done_while_a_sender_runs(host):
    overflow.keep(alert(1)["id"], to_json(alert(1)))
    with parts.another_process_holding(host.spool.path("sender.lock")):
        assert host.run("send")[0] == OK
    assert overflow.names() == [alert(1)["id"]]


@pytest.mark.parametrize("command", [["status"], ["test"], ["flush"], ["heartbeat"], ["send"]])
def test_a_defect_is_reported_by_its_place_without_the_exceptions_text(host, monkeypatch, command):
    def fail(*_arguments):
        raise RuntimeError("https://hooks.slack.invalid/services/T00000000/B00000000/not-a-real-secret")

    monkeypatch.setattr(sender, "Lock", fail)
    monkeypatch.setattr("ssh_login_notify.alert.own", fail)
    monkeypatch.setattr("ssh_login_notify.health.examine", fail)
    code, out, err = host.run(*command)
    assert code == UNKNOWN
    assert "a defect, please report it: RuntimeError at cli.py:" in out + err
    assert "not-a-real-secret" not in out + err


def test_a_terminal_that_knows_ascii_alone_is_no_defect(monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="ascii", write_through=True))
    cli._print("OK: web-é…")
    assert shown.getvalue() == b"OK: web-\\xe9\\u2026\n"


def test_send_that_leaves_something_ends_with_a_code_that_is_no_failure_for_systemd(host, slept):
    host.put(1)
    host.webhook.instructions.append(answer(429, "rate_limited", "Retry-After: 600"))
    assert host.run("send")[0] == TRY_LATER


def test_the_configuration_that_others_may_read_is_critical_and_the_alerts_go_on(host):
    host.put(1)
    host.path.chmod(0o644)
    assert host.run("send")[0] == OK
    assert any(alert(1)["id"].encode() in request.body for request in host.webhook.requests)
    code, found = host.json("status")
    assert code == CRITICAL
    assert f"users other than root can read {host.path}: chmod 0600" in found["problems"][0]


def test_send_looks_whether_all_is_well_when_that_is_due(host, monkeypatch):
    looks = []
    monkeypatch.setattr(self_check, "is_due", lambda _: not looks)
    monkeypatch.setattr(self_check, "run", looks.append)
    host.run("send")
    host.run("send")
    assert len(looks) == 1


def test_a_self_check_that_fails_keeps_no_alert_back(host, monkeypatch, said):
    monkeypatch.setattr(self_check, "is_due", lambda _: True)
    monkeypatch.setattr(self_check, "run", lambda _: 1 / 0)
    host.put(1)
    assert host.run("send")[0] == OK
    assert len(host.webhook.requests) == 1
    assert "ZeroDivisionError" in said[0][1]


@pytest.mark.parametrize("command", ["send", "flush"])
def test_alerts_that_did_not_fit_into_the_spool_are_sent_too(host, command):
    overflow.keep(alert(1)["id"], to_json(alert(1)))
    code, found = host.json("status")
    assert (code, found["waiting"]) == (CRITICAL, 1)
    assert f"1 alert waits in {paths.OVERFLOW}, because the spool accepts none" in str(found["problems"])
    assert host.run(command)[0] == OK
    assert len(host.webhook.requests) == 1
    assert overflow.names() == []


@pytest.mark.parametrize("command", ["send", "flush"])
def test_with_a_full_spool_everything_is_still_sent_in_order(host, monkeypatch, said, command):
    for number in (1, 3):
        overflow.keep(alert(number)["id"], to_json(alert(number)))
    host.put(2)
    monkeypatch.setattr(overflow, "bring_back", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert host.run(command)[0] == OK
    sent = [request.body.decode() for request in host.webhook.requests]
    assert [[number for number in (1, 2, 3) if alert(number)["id"] in body] for body in sent] == [[1], [2], [3]]
    assert overflow.names() == []
    assert "The spool still takes no alerts" in said[0][1]
    assert host.run(command)[0] == OK
    assert len(host.webhook.requests) == 3, "once"


def test_with_a_full_spool_unsent_alerts_stay(host, monkeypatch):
    overflow.keep(alert(1)["id"], to_json(alert(1)))
    monkeypatch.setattr(overflow, "bring_back", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    host.webhook.instructions.append(answer(503, "busy"))
    host.run("flush")
    assert overflow.names() == [alert(1)["id"]]


def test_the_status_is_one_line_for_a_person(host):
    host.put(1)
    host.run("send")
    _, out, _ = host.run("status")
    assert out.count("\n") == 1


def test_a_sign_to_wake_that_stays_does_not_start_senders_without_end(host, monkeypatch, slept):
    def refuse(spool):
        raise OSError(errno.EROFS, "Read-only file system")

    host.put(1)
    monkeypatch.setattr(Spool, "stop_waking", refuse)
    host.run("send")
    assert slept[-1] == sender.SIGN_STAYS_SECONDS


def test_a_heartbeat_goes_the_way_of_an_alert(host, monkeypatch, slept):
    started = []
    monkeypatch.setattr(heartbeat, "start_sender", started.append)
    code, found = host.json("heartbeat", "--spread", "1800")
    assert (code, found) == (OK, {"queued": True})
    assert 0 <= slept[0] <= 1800
    assert len(started) == 1
    assert os.path.exists(host.spool.path("state", "wake"))
    host.run("send")
    message = json.loads(host.webhook.requests[0].body.decode())
    assert message["blocks"][0]["text"]["text"].endswith(": all is well")


def test_a_heartbeat_reports_problems(host, monkeypatch):
    monkeypatch.setattr(heartbeat, "start_sender", lambda _: None)
    host.path.chmod(0o644)
    host.run("heartbeat")
    (name,) = host.spool.names("outgoing")
    assert "users other than root can read" in json.loads(host.spool.read("outgoing", name).decode())["notes"][0]


def test_a_delivery_problem_does_not_stop_the_ping(host, monkeypatch):
    monkeypatch.setattr(heartbeat, "start_sender", lambda _: None)
    switch = "https://switch.example/not-a-real-secret"
    host.configure(webhook_url=host.webhook.url, heartbeat_ping_url=switch, longest_silence=1)
    state = State(host.spool)
    state.pinged({"at": 1.0, "well": False, "answer": "503"})
    state.waiting("503", "it is tried again", 60)
    host.put_now(age=1000)
    assert host.json("status")[0] == CRITICAL
    host.run("heartbeat")
    name = host.spool.names("outgoing")[-1]
    assert json.loads(host.spool.read("outgoing", name).decode())["notes"] == []


def test_a_heartbeat_that_the_spool_does_not_take_is_an_error(host, monkeypatch, said):
    os.rename(host.spool.path("outgoing"), str(host.path) + ".away")
    code, found = host.json("heartbeat")
    assert (code, found) == (CRITICAL, {"queued": False})
    assert "No heartbeat was queued" in said[0][1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded")  # the webhook's server is a thread here
def test_send_finishes_captures_that_a_crash_left_behind(host, monkeypatch):
    monkeypatch.setattr("ssh_login_notify.observer.set_priority", lambda _: None)
    capture = b"capture=1\0parent=0\0parent_stat=\0\0PAM_USER=left\0"
    stale = host.put_now(age=70, directory="incoming", contents=capture)
    host.spool.write("incoming", "1763884862.1-1.alert", to_json(alert(id="1763884862.1-1")), 0o640)
    assert host.run("send")[0] == OK
    sent = b"".join(request.body for request in host.webhook.requests)
    assert stale.encode() in sent
    assert b"1763884862.1-1" in sent
    assert os.listdir(host.spool.path("incoming")) == []


@pytest.mark.parametrize("directory", ["incoming", "outgoing"])
def test_a_directory_named_like_an_alert_blocks_no_alert(host, directory):
    os.mkdir(host.spool.path(directory, "1763884862.1-1"))
    os.symlink("/etc/passwd", host.spool.path(directory, "1763884862.1-2"))
    waiting = host.put_now()
    assert host.run("send")[0] == OK
    assert waiting.encode() in b"".join(request.body for request in host.webhook.requests)
    assert sorted(os.listdir(host.spool.path(directory))) == ["1763884862.1-1", "1763884862.1-2"]


def test_send_leaves_fresh_captures_to_their_observer(host):
    fresh = host.put_now(age=30, directory="incoming", contents=b"x")
    assert host.run("send")[0] == OK
    assert host.spool.names("incoming") == [fresh]


def test_send_looks_once_more_after_giving_up_the_lock(host, monkeypatch):
    # An observer that finds the lock held does not start a sender itself.
    give_up = Lock.give_up
    arriving = [2]

    def another_comes_then_give_up(lock):
        if arriving:
            host.put(arriving.pop())
        give_up(lock)

    monkeypatch.setattr(Lock, "give_up", another_comes_then_give_up)
    host.put(1)
    assert host.run("send")[0] == OK
    assert len(host.webhook.requests) == 2
    assert host.spool.names("outgoing") == []


@pytest.fixture
def installed(webhook):
    """An installation whose system user is nobody, in a world-accessible directory."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        found = parts.Installation(parts.Path(directory))
        path = found.root / "ssh-notify.conf"
        path.write_text(json.dumps({"webhook_url": webhook.url}))
        path.chmod(0o600)
        found.change(found.library / "paths.py", 'CONFIGURATION = ".*"', f'CONFIGURATION = "{path}"')
        found.change(found.library / "paths.py", 'USER = ".*"', 'USER = "nobody"')
        found.change(found.library / "privileges.py", "        group = .*", "        group = grp.getgrgid(65534)")
        yield found
        found.wait()


def run_installed(installed, *arguments):
    done = subprocess.run(
        [str(installed.hook), *arguments], env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, check=False, timeout=parts.LONGEST_WAIT,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_installed_program_gives_root_up_for_good_before_it_sends(installed, webhook):
    seen = []

    def who_is_it(connection):
        (pid,) = wait_for(installed.processes)
        status = parts.Path(f"/proc/{pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        seen.append([lines[name].split() for name in ("Uid", "Gid", "Groups")])
        assert SECRET.encode() not in shown_to_all(pid)
        return parts.OK(connection)

    webhook.instructions.append(who_is_it)
    # Everything needed is imported before, because an interpreter's files can be readable by root only.
    code, out, err = run_installed(installed, "test", "--json")
    assert (code, err) == (OK, "")
    assert json.loads(out)["delivered"] is True
    assert seen == [[["65534"] * 4, ["65534"] * 4, []]]


def shown_to_all(pid):
    found = b""
    for name in ("environ", "cmdline"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            found += file.read()
    return found


def test_the_installed_program_sends_as_the_system_user_and_no_other(installed, webhook):
    name = alert(1)["id"]
    installed.spool.write("outgoing", name, to_json(alert(1)), 0o640)
    code, out, err = run_installed(installed, "send")
    assert (code, out) == (CRITICAL, "")  # these directories are root's
    assert err.startswith("ssh-login-notify: the spool can't be used (")
    assert err.count("\n") == 1
    for directory in ("outgoing", "state", "failed"):
        os.chown(installed.spool.path(directory), 0, 65534)
        os.chmod(installed.spool.path(directory), 0o2770)
    os.chown(installed.spool.path("outgoing", name), 0, 65534)
    assert run_installed(installed, "send") == (OK, "", "")
    assert installed.names("outgoing") == []
    assert len(webhook.requests) == 1


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, None),
        (
            {"host_label": 42},
            "ssh_login_notify_host_label is a whole number, and must be text: write 'web-3', and run the role again",
        ),
        ({"host_label": None}, "ssh_login_notify_host_label is null, and must be text: write "),
        ({"ca_file": "/missing.pem"}, None),
        ({"webhook_url": "https://127.0.0.1/", "ca_file": "/missing.pem"}, "the CA file /missing.pem can't be used"),
        ({"people": None}, "ssh_login_notify_people is null, and must be a mapping"),
        ({"ignore": {}}, "ssh_login_notify_ignore is a mapping, and must be a list"),
    ],
)
def test_a_configuration_can_be_checked_before_it_is_installed(host, tmp_path, values, problem):
    other = tmp_path / "other.conf"
    other.write_text(json.dumps(dict({"webhook_url": host.webhook.url}, **values)))
    other.chmod(0o600)
    code, found = host.json("check", "--configuration", str(other))
    assert (code, found["usable"]) == ((CRITICAL, False) if problem else (OK, True))
    assert (found["problem"] or "").startswith(problem or "")
    assert host.run("check")[:2] == (OK, "the configuration is valid\n")
    assert host.webhook.requests == []


@pytest.fixture
def other():
    server = parts.Webhook()
    yield server
    server.close()


def several(host, other, **values):
    """Configure the webhook, and a channel `b` in addition."""
    os.makedirs(host.spool.path("channels"), exist_ok=True)
    host.configure(channels=[{"name": "b", "kind": "slack", "url": other.url}], **values)


def test_a_test_tries_every_channel_at_the_same_time(host, other):
    several(host, other)
    both = threading.Barrier(2, timeout=parts.LONGEST_WAIT)

    def after_the_other(connection):
        both.wait()
        return parts.OK(connection)

    host.webhook.instructions = [after_the_other]
    other.instructions = [after_the_other]
    code, found = host.json("test")
    assert (code, found["delivered"], list(found["channels"])) == (OK, True, ["b", "webhook"])
    other.instructions = [answer(404, "no_service")]
    code, found = host.json("test")
    assert (code, found["delivered"], found["status"]) == (WARNING, False, 404)
    assert {name: result["delivered"] for name, result in found["channels"].items()} == {"webhook": True, "b": False}
    other.instructions = [answer(404, "no_service")]
    webhook, b = host.run("test")[1].splitlines()
    assert webhook.startswith("webhook: delivered in ")
    assert b.startswith("b: not delivered. 404 no_service: ")


def test_a_test_of_one_channel_leaves_the_others_alone(host, other):
    several(host, other)
    code, found = host.json("test", "--channel", "b")
    assert (code, found["delivered"], list(found["channels"])) == (OK, True, ["b"])
    assert host.webhook.requests == []
    code, found = host.json("test", "--channel", "c")
    assert (code, found["mend"]) == (CRITICAL, "use one of webhook, b")


def test_a_channel_that_can_not_be_used_fails_a_test_alone(host, other):
    several(host, other)
    found = json.loads(host.path.read_text())
    found["channels"].append({"name": "own", "kind": "command", "command": ["/nonexistent"]})
    host.path.write_text(json.dumps(found))
    code, found = host.json("test")
    assert (code, found["delivered"]) == (CRITICAL, False)
    delivered = {name: result["delivered"] for name, result in found["channels"].items()}
    assert delivered == {"webhook": True, "b": True, "own": False}
    assert "/nonexistent" in found["answer"]


def test_the_status_shows_each_channel_apart(host, other):
    several(host, other)
    other.instructions = [answer(404, "no_service")] * 50
    host.put_now()
    host.run("flush")
    code, found = host.json("status")
    assert code == CRITICAL
    assert {name: (channel["waiting"], channel["failed"]) for name, channel in found["channels"].items()} == {
        "webhook": (0, 0), "b": (1, 0),
    }  # fmt: skip
    assert found["waiting"] == 1
    (problem,) = found["problems"]
    assert problem.startswith("channel b: alerts wait: 404 no_service: ")
    assert found["last_delivery"]["channel"] == "webhook"
    assert SECRET not in json.dumps(found)
    assert "2 channels: webhook, b" in host.run("status")[1]


# -- audit ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def auth_log(tmp_path, monkeypatch):
    """A host without a journal, with an empty log file."""
    monkeypatch.setattr(sshd_log, "JOURNALS", ())
    path = tmp_path / "auth.log"
    path.write_text("")
    monkeypatch.setattr(sshd_log, "LOG_FILES", (str(path),))
    return path


def accepted(at, pid):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
    return f"{stamp} web1 sshd[{pid}]: Accepted password for ada from 203.0.113.50 port {pid} ssh2\n"


def test_audit_says_how_many_were_accepted_and_reported_and_which_were_missed(host, auth_log):
    at = time.time() - 1000
    proof.update(host.spool, [])
    kept = json.loads(host.spool.read("ledger", "audit.json").decode())
    host.spool.write("ledger", "audit.json", json.dumps(dict(kept, began=at - 60)).encode(), 0o600)
    auth_log.write_text(accepted(at - 100, 1) + accepted(at, 7))
    found = alert(id=f"{at:017.6f}-8", address="203.0.113.50", port=7)
    ledger.note(host.spool, found, 7)
    ledger.end(host.spool, [found["id"]], ledger.REPORTED)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at - 30))
    code, printed, _ = host.run("audit", "--since", since)
    assert printed.startswith("1 login accepted, 1 reported.\n")
    assert code == OK
    with open(str(auth_log), "a") as file:
        file.write(accepted(at + 1, 9))
    code, printed, _ = host.run("audit", "--json", "--since", "24h")
    said = json.loads(printed)
    assert code == CRITICAL
    assert (said["accepted"], said["known"], said["missed"]) == (3, 1, 1)
    assert said["doubts"]["before"] == 1
    assert " port 9 ssh2" in said["missed_logins"][0]["line"]


@pytest.mark.parametrize("since", ["", "x", "7", "d", "²d", "2026-99-99", "9" * 22 + "d", "9" * 400 + "d"])
def test_audit_refuses_a_time_that_is_none_or_takes_it_for_the_beginning(host, auth_log, since):
    code, printed, _ = host.run("audit", "--since", since)
    assert code in (CRITICAL, WARNING)
    assert printed


def test_audit_on_a_host_without_a_log_is_unknown(host, auth_log):
    auth_log.unlink()
    assert host.run("audit")[0] == UNKNOWN


def test_status_says_since_when_the_notifier_is_complete(host, auth_log):
    assert "completeness is not verified yet" in host.run("status")[1]
    auth_log.write_text(accepted(time.time() - 9999, 1))
    proof.update(host.spool, [])
    assert "complete since" in host.run("status")[1]
    assert json.loads(host.run("status", "--json")[1])["completeness"]["missed"] == 0
