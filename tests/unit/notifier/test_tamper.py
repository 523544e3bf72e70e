# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tamper: the next look reports a change, once, and a look at an unchanged host does almost nothing."""

import hashlib
import json
import os
import signal
import sys
import time

import parts
import pytest
from parts import needs_root
from ssh_login_notify import (
    alert,
    command,
    config,
    health,
    last_check,
    ledger,
    logged_in,
    paths,
    self_check,
    sender,
    sshds,
    suppressed,
    tamper,
    trust,
    units,
)  # fmt: skip
from ssh_login_notify.installation import UNSETTLED_SECONDS

pytestmark = needs_root
GONE = "session required pam_unix.so\n"
SENDER, PATH, TIMER = "ssh-login-notify.service", "ssh-login-notify.path", "ssh-login-notify-tamper.timer"


class Sshd:
    """An sshd that accepts logins."""

    def __init__(self, file):
        self.program = self.executable = self.title = self.key = str(file)
        self.settings = [["permitrootlogin", "no"]]
        self.is_running = True
        self.use_pam, self.services, self.source = "yes", ["sshd"], "sshd -T"

    def matched(self):
        return []

    def files(self):
        return [self.executable]


class Host:
    """A host that is watched, and the messages in the channel. scheduler: `systemd` or `cron`"""

    def __init__(self, root, monkeypatch, spool, scheduler):
        self.spool = spool
        self.pam, library = parts.make_well(root, monkeypatch)
        self.library, self.scheduler = library, scheduler
        self.manifest = library / "manifest.json"
        self.configuration = root / "ssh-notify.conf"
        self.configuration.write_text(json.dumps({"webhook_url": parts.WEBHOOK}))
        self.configuration.chmod(0o600)
        monkeypatch.setattr(config.load, "__defaults__", (str(self.configuration),))
        monkeypatch.setattr(paths, "CONFIGURATION", str(self.configuration))
        monkeypatch.setattr(config, "PATH", str(self.configuration))
        for path in (self.manifest, self.configuration):
            os.utime(str(path), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
        self.systemd = parts.Systemd(root, monkeypatch)
        # Start no process: waiting for it would use the sleep that the tests replace.
        monkeypatch.setattr(units, "ask", lambda *_words: self.systemd.shown if scheduler == "systemd" else None)
        self.sshd = Sshd(root / "sshd")
        (root / "sshd").write_text("sshd")
        self.starts, self.dropped, self.sent, self.checks = ["/usr/sbin/sshd -D"], None, [], 0
        monkeypatch.setattr(sshds, "starts", lambda: list(self.starts))
        monkeypatch.setattr(sshds, "found", lambda: [self.sshd])
        monkeypatch.setattr(suppressed, "lately", lambda **_how: self.dropped)
        monkeypatch.setattr(logged_in, "line", lambda _spool, _people: "deploy since 14:03:11")
        monkeypatch.setattr(sender, "flush", self._flush)
        examine = health.examine

        def counted(place):
            self.checks += 1
            return examine(place)

        monkeypatch.setattr(health, "examine", counted)
        os.makedirs(spool.path(ledger.DIRECTORY), exist_ok=True)

    def _flush(self, spool, put_back):
        assert not put_back
        self.sent += spool.names("outgoing")

    def look(self):
        """Look as the timer does, and return the problems in each new message."""
        assert command.run(["tamper-check"], self.spool.root) == 0
        told = []
        for name in self.spool.names("outgoing"):
            found = alert.from_json(self.spool.read("outgoing", name))
            assert found["about"] == alert.SELF_CHECK
            assert found.get(alert.LOGGED_IN) == ("deploy since 14:03:11" if found["notes"] else None)
            told.append([sentence.partition(": ")[0] for sentence in found["notes"]])
            self.spool.remove("outgoing", name)
        return told


@pytest.fixture(params=["systemd", "cron"])
def host(request, tmp_path, monkeypatch, spool, said, slept):
    monkeypatch.setattr(tamper, "Spool", lambda: spool)
    host = Host(tmp_path, monkeypatch, spool, request.param)
    assert host.look() == []
    assert host.checks == 1, "the first look knows nothing"
    slept.clear()
    return host


def test_a_look_at_a_host_as_it_was_checks_nothing_and_does_not_wait(host, slept):
    for _ in range(3):
        assert host.look() == []
    assert host.checks == 1
    assert slept == []
    assert host.sent == []


def test_the_self_check_is_run_when_it_is_due_and_the_sender_finds_it_done(host):
    """This watch sees all processes, and the sender's sandbox does not."""
    path = host.spool.path("state", last_check.FILE)
    os.utime(path, (time.time() - last_check.PERIOD_SECONDS - 1,) * 2)
    host.configuration.chmod(0o644)
    os.utime(path, (time.time() - last_check.PERIOD_SECONDS - 1,) * 2)
    assert len(host.look()) == 1
    assert host.checks == 2
    os.utime(path, (time.time() - last_check.PERIOD_SECONDS - 1,) * 2)
    assert host.look() == []
    assert host.checks == 3, "nothing has changed, but it was due"
    self_check.run_if_due(host.spool)
    assert host.checks == 3


def test_whoever_has_the_service_users_rights_can_not_say_that_it_was_run(host):
    """In state/ it can replace the file, with any timestamp. The audit is part of the self-check, too."""
    lock = host.spool.path(ledger.DIRECTORY, last_check.LOCK)
    assert time.time() - os.stat(lock).st_mtime < last_check.PERIOD_SECONDS
    os.utime(lock, (time.time() - last_check.PERIOD_SECONDS - 1,) * 2)
    host.spool.write("state", last_check.FILE, b'{"told": []}', 0o640)
    assert host.look() == []
    assert host.checks == 2
    assert host.look() == []
    assert host.checks == 2


def line_gone(host):
    text = host.pam.read_text()
    host.pam.write_text(GONE)
    return f"the PAM line in {host.pam} is gone", lambda: host.pam.write_text(text)


def program_changed(host):
    path = host.library / "ssh_login_notify" / "cli.py"
    path.write_text("other")
    return f"files differ from what the role installed ({path})", lambda: path.write_text("installed")


def program_not_executable(host):
    os.chmod(paths.PROGRAM, 0)
    return f"files differ from what the role installed ({paths.PROGRAM})", lambda: os.chmod(paths.PROGRAM, 0o755)


def module_added(host):
    path = host.library / "ssh_login_notify" / "json.py"
    path.touch()
    return f"files differ from what the role installed ({path})", path.unlink


def readable_configuration(host):
    host.configuration.chmod(0o644)
    return f"users other than root can read {host.configuration}", lambda: host.configuration.chmod(0o600)


def lines_dropped(host):
    host.dropped = suppressed.Suppressed(12, "ssh.service", 77)
    return "journald has dropped 12 messages of ssh.service in the last hour", lambda: setattr(host, "dropped", None)


def byte_code_planted(host):
    path = host.library / "ssh_login_notify" / "channels" / "__pycache__" / "slack.cpython-311.pyc"
    path.write_bytes(b"planted")
    return f"files differ from what the role installed ({path})", path.unlink


KINDS = [
    line_gone,
    program_changed,
    program_not_executable,
    module_added,
    byte_code_planted,
    readable_configuration,
    lines_dropped,
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_is_told_once_by_the_next_look_and_so_is_its_repair(host, kind, slept):
    what, mend = kind(host)
    assert host.look() == [[what]]
    assert sum(slept) <= tamper.PAUSE_SECONDS * tamper.MOST_PAUSES
    assert host.look() == []
    mend()
    assert host.look() == [[]]
    assert host.look() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["systemd"], indirect=True)
def test_the_self_check_and_this_watch_tell_it_once_whichever_comes_first(host, kind):
    what, mend = kind(host)
    os.utime(host.spool.path("state", last_check.FILE), (time.time() - 3600,) * 2)
    self_check.run_if_due(host.spool)
    assert host.look() == [[what]], "this is the self-check's message"
    assert host.look() == []
    mend()
    assert host.look() == [[]]
    os.utime(host.spool.path("state", last_check.FILE), (time.time() - 3600,) * 2)
    self_check.run_if_due(host.spool)
    assert host.spool.names("outgoing") == []


@pytest.mark.parametrize("kind", KINDS)
def test_while_the_role_may_be_at_work_nothing_is_told_and_afterwards_it_is(host, kind):
    host.manifest.touch()
    what, _mend = kind(host)
    assert host.look() == []
    os.utime(str(host.manifest), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
    assert host.look() == [[what]]


@pytest.mark.parametrize("kind", [line_gone, lines_dropped])
def test_whoever_only_pretends_that_the_role_is_at_work_does_not_gain_much(host, kind, monkeypatch):
    what, _mend = kind(host)
    host.manifest.touch()
    assert host.look() == []
    later(monkeypatch, tamper.MOST_UNSETTLED_SECONDS + 1)
    os.utime(str(host.manifest), (time.time(),) * 2)
    assert host.look() == [[what]]


def later(monkeypatch, seconds, is_set_back=False):
    """Have all clocks show a later time. is_set_back: somebody has set the one that can be set back to the present."""
    now, running = time.time(), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now + (0 if is_set_back else seconds))
    monkeypatch.setattr(time, "monotonic", lambda: running + seconds)


def test_whoever_sets_the_clock_back_again_and_again_does_not_gain_more(host, monkeypatch):
    what, _mend = line_gone(host)
    host.manifest.touch()
    assert host.look() == []
    later(monkeypatch, tamper.MOST_UNSETTLED_SECONDS + 1, is_set_back=True)
    assert host.look() == [[what]]


def test_after_a_reboot_a_run_of_the_role_before_it_counts_for_nothing(host, monkeypatch):
    what, _mend = line_gone(host)
    host.manifest.touch()
    assert host.look() == []
    monkeypatch.setattr(time, "monotonic", lambda: 0.5)
    assert host.look() == [[what]]


def test_a_role_run_that_changes_files_of_its_own_is_followed_by_one_check_and_silence(host):
    host.manifest.touch()
    assert host.look() == []
    os.utime(str(host.manifest), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
    assert host.look() == []
    assert host.checks == 2
    assert host.look() == []
    assert host.checks == 2


def test_files_of_a_run_of_the_role_that_has_not_come_to_its_end_are_not_told(host, monkeypatch):
    """The list of all files is written last."""
    what, _mend = program_changed(host)
    with monkeypatch.context() as role:
        role.setattr(time, "sleep", lambda _seconds: host.manifest.touch())
        assert host.look() == []
    assert host.checks == 1
    os.utime(str(host.manifest), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
    assert host.look() == [[what]]


def test_a_file_that_is_written_in_steps_is_judged_at_the_end(host, monkeypatch):
    """pam-auth-update does so. The message is not about the state in between."""
    text = host.pam.read_text()
    host.pam.write_text("")
    steps = [GONE, text, text]
    monkeypatch.setattr(time, "sleep", lambda _seconds: host.pam.write_text(steps.pop(0)))
    assert host.look() == []
    assert host.checks == 2


def test_whoever_goes_on_changing_a_file_does_not_delay_the_check_for_ever(host, monkeypatch):
    what, _mend = line_gone(host)
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        host.pam.write_text(GONE + f"# {len(waits)}\n")

    monkeypatch.setattr(time, "sleep", sleep)
    assert host.look() == [[what]]
    assert len(waits) == tamper.MOST_PAUSES


def test_a_journal_that_does_not_answer_is_no_sign_that_nothing_was_dropped(host, monkeypatch):
    what, mend = lines_dropped(host)
    assert host.look() == [[what]]

    def silent(**_how):
        raise TimeoutError(110, "Connection timed out")

    with monkeypatch.context() as slow:
        slow.setattr(suppressed, "lately", silent)
        assert host.look() == []
    assert host.look() == []
    mend()
    assert host.look() == [[]]


@pytest.mark.parametrize("host", ["systemd"], indirect=True)
def test_a_systemd_that_does_not_answer_is_no_sign_that_its_units_are_right(host, monkeypatch):
    """It re-executes itself after an upgrade, or has a thousand services to start."""
    host.systemd.has(TIMER, LoadState="masked")
    assert host.look() == [[f"the systemd unit {TIMER} is masked"]]
    with monkeypatch.context() as busy:
        busy.setattr(units, "ask", lambda *_words: None)
        assert host.look() == []
    assert host.look() == []
    host.systemd.has()
    assert host.look() == [[]]


def test_a_directory_that_others_can_write_to_is_told_by_the_next_look(host, tmp_path, monkeypatch):
    directory = tmp_path / "bin"
    directory.mkdir(0o755)
    opened = []
    monkeypatch.setattr(trust, "TRUSTED", (str(directory),))
    monkeypatch.setattr(trust, "open_directories", lambda *_paths: list(opened))  # the tests' own directories are open
    assert host.look() == []
    checks = host.checks
    (directory / "other").touch()
    assert host.look() == []
    assert host.checks == checks, "another program has installed a file there"
    directory.chmod(0o777)
    opened.append(str(directory))
    assert host.look() == [[f"users other than root can write to {directory}"]]
    assert host.look() == []


def test_a_file_system_that_is_mounted_anew_is_looked_at_at_once(host, monkeypatch):
    usual = os.statvfs

    def noexec(path):
        values = list(usual(path))[:10]
        values[8] |= os.ST_NOEXEC
        return os.statvfs_result(values)

    with monkeypatch.context() as mounted:
        mounted.setattr(os, "statvfs", noexec)
        assert host.look() == [[f"{paths.PROGRAM} is on a file system that is mounted noexec"]]
        assert host.look() == []
    assert host.look() == [[]]


def test_an_installed_file_outside_of_the_package_is_told_by_the_next_look(host, tmp_path):
    """The file of cron, for example."""
    file = tmp_path / "cron"
    file.write_text("installed")
    manifest = json.loads(host.manifest.read_text())
    manifest["files"][str(file)] = hashlib.sha256(b"installed").hexdigest()
    host.manifest.write_text(json.dumps(manifest))
    os.utime(str(host.manifest), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
    assert host.look() == []
    file.write_text("other")
    assert host.look() == [[f"files differ from what the role installed ({file})"]]


@pytest.mark.parametrize("contents", ["", "[]", '{"files": 5}', "{"])
def test_a_damaged_list_of_files_is_told_and_does_not_end_the_watch(host, contents):
    host.manifest.write_text(contents)
    os.utime(str(host.manifest), (time.time() - UNSETTLED_SECONDS - 1,) * 2)
    ((sentence,),) = host.look()
    assert sentence.startswith("the list of installed files can't be read")
    assert host.look() == []


def test_a_python_and_an_account_that_were_changed_are_looked_at(host, tmp_path, monkeypatch):
    python, accounts = tmp_path / "python", tmp_path / "passwd"
    python.touch()
    accounts.touch()
    monkeypatch.setattr(sys, "executable", str(python))
    assert "/etc/passwd" in tamper.FILES
    monkeypatch.setattr(tamper, "FILES", (str(accounts),))
    assert host.look() == []
    for file in (python, accounts):
        checks = host.checks
        file.chmod(0o666)
        assert host.look() == []
        assert host.checks == checks + 1
    python.unlink()
    monkeypatch.setattr(paths, "USER", "not-a-user-here")
    assert len(host.look()) == 1


def test_sshd_with_other_settings_is_told_and_each_change_once(host):
    os.utime(host.sshd.executable)
    host.sshd.settings = [["permitrootlogin", "yes"]]
    assert host.look() == [["the settings of sshd have changed (PermitRootLogin no → yes)"]]
    assert host.look() == []


def test_sshd_that_is_restarted_or_edited_with_the_same_settings_is_not_told(host):
    for _ in range(2):
        os.utime(host.sshd.executable)
        assert host.look() == []
    host.starts.append("/usr/sbin/sshd -D -oLogLevel=INFO")
    assert host.look() == []
    assert host.checks == 4, "but it is looked at"


def test_with_a_problem_there_before_a_change_of_sshd_is_told_along_with_it(host):
    what, mend = line_gone(host)
    host.look()
    host.sshd.settings = [["permitrootlogin", "yes"]]
    os.utime(host.sshd.executable)
    assert host.look() == [["the settings of sshd have changed (PermitRootLogin no → yes)", what]]
    mend()
    assert host.look() == [[]]


def test_while_another_process_checks_the_host_the_next_look_does_it(host, monkeypatch):
    what, _mend = line_gone(host)
    with monkeypatch.context() as busy:
        busy.setattr(self_check.Lock, "take", lambda _self: False)
        assert host.look() == []
    assert host.look() == [[what]]


def test_a_check_that_fails_is_repeated_and_the_log_has_the_reason(host, said, monkeypatch):
    what, _mend = line_gone(host)
    with monkeypatch.context() as broken:
        broken.setattr(self_check, "run", lambda _spool: 1 // 0)
        assert host.look() == []
    assert "The watch against tampering failed: a defect" in said[-1][1]
    assert host.look() == [[what]]


def test_an_account_that_is_damaged_means_one_check_more(host):
    host.spool.write(ledger.DIRECTORY, tamper.FILE, b"[1", 0o600)
    assert host.look() == []
    assert host.checks == 2


def test_with_a_full_spool_it_is_still_told_once(host):
    for directory in (ledger.DIRECTORY, "state"):
        os.rename(host.spool.path(directory), host.spool.path(directory) + ".away")
    what, _mend = line_gone(host)
    assert any(what in told for told in host.look())
    assert host.look() == []


# -- who sends --------------------------------------------------------------------------------------------------------


def masked(host):
    host.systemd.has(SENDER, LoadState="masked", ActiveState="inactive", FragmentPath="", ExecStart="")
    return f"the systemd unit {SENDER} is masked"


def stopped(host):
    host.systemd.has(PATH, ActiveState="inactive")
    return f"the systemd unit {PATH} is inactive"


def replaced(host):
    host.systemd.has(SENDER, ExecStart="{ path=/bin/true ; argv[]=/bin/true ; }")
    return f"the systemd unit {SENDER} starts /bin/true and not {paths.PROGRAM} send"


def test_with_systemd_the_sender_is_only_woken(host):
    what, _mend = line_gone(host)
    wake = host.spool.path("state", "wake")
    assert host.look() == [[what]]
    assert os.path.exists(wake) is (host.scheduler == "systemd")
    assert bool(host.sent) is (host.scheduler == "cron")


@pytest.mark.parametrize("kind", [masked, stopped, replaced])
@pytest.mark.parametrize("host", ["systemd"], indirect=True)
def test_without_systemds_sender_the_report_leaves_all_the_same_and_so_does_what_waits(host, kind):
    what = kind(host)
    assert host.look() == [[what]]
    assert len(host.sent) == 1
    assert host.look() == []
    assert len(host.sent) == 1, "nothing waits"
    host.spool.write("outgoing", "1763884862.5-1", alert.to_json(parts.alert(id="1763884862.5-1")), 0o640)
    command.run(["tamper-check"], host.spool.root)
    assert host.sent[-1] == "1763884862.5-1", "an alert of a login"
    host.spool.remove("outgoing", "1763884862.5-1")
    host.systemd.has()
    assert host.look() == [[]]


@pytest.mark.parametrize("host", ["systemd"], indirect=True)
def test_the_self_check_tells_that_this_watch_was_stopped(host):
    host.systemd.has(TIMER, ActiveState="inactive")
    (problem,) = health.examine(host.spool).problems
    assert problem.sentence == f"the systemd unit {TIMER} is inactive: run the role again"


def test_a_sender_that_can_not_send_ends_the_look_with_a_line_in_the_log(host, said, monkeypatch):
    line_gone(host)
    monkeypatch.setattr(units, "systemd_sends", lambda _found: False)

    def refuses(_spool, put_back):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sender, "flush", refuses)
    assert command.run(["tamper-check"], host.spool.root) == 75
    assert "Nothing can be sent" in said[-1][1]


def test_a_defect_of_the_sender_ends_the_look_with_a_line_in_the_log(host, said, monkeypatch):
    line_gone(host)
    monkeypatch.setattr(units, "systemd_sends", lambda _found: False)
    monkeypatch.setattr(sender, "flush", lambda _spool, put_back: 1 // 0)
    assert command.run(["tamper-check"], host.spool.root) == 3
    assert "Nothing can be sent: a defect" in said[-1][1]


def test_a_look_that_hangs_is_ended(host, monkeypatch):
    monkeypatch.setattr(tamper, "LONGEST_LOOK_SECONDS", 1)
    monkeypatch.setattr(units, "found", signal.pause)
    pid = os.fork()
    if not pid:
        os._exit(command.run(["tamper-check"], host.spool.root))
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGALRM


def test_a_sender_after_a_look_is_not_ended(host, monkeypatch):
    left = []
    monkeypatch.setattr(tamper, "_send", lambda *_what: left.append(signal.alarm(0)) or 0)
    assert command.run(["tamper-check"], host.spool.root) == 0
    assert left == [0]


def test_nobody_but_root_looks(host, monkeypatch, capsys, said):
    """It would see something other than root did, and report that in the system's log."""
    line_gone(host)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.run(["tamper-check"], host.spool.root) == 3
    assert "only root" in capsys.readouterr().err
    assert said == []
