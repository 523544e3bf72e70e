# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health: each problem of a host is reported with what to do, and nothing else is."""

import hashlib
import json
import os
import time

import parts
import pytest
from parts import PAM_LINE, alert, needs_root
from ssh_login_notify import ballast, config, health, overflow, paths, sshds, suppressed, units
from ssh_login_notify.alert import to_json
from ssh_login_notify.health import CRITICAL, WARNING, examine
from ssh_login_notify.open_connections import OpenConnections, Record
from ssh_login_notify.state import State

pytestmark = needs_root


class Host:
    """A healthy host, until a test breaks something."""

    def __init__(self, root, monkeypatch, spool):
        self.spool = spool
        self.pam, self.library = parts.make_well(root, monkeypatch)
        self.configuration = root / "ssh-notify.conf"
        monkeypatch.setattr(config.load, "__defaults__", (str(self.configuration),))
        self.configure()

    def configure(self, **values):
        self.configuration.write_text(json.dumps(dict(values, webhook_url=parts.WEBHOOK)))
        self.configuration.chmod(0o600)

    def put_now(self, age, directory="outgoing", **changes):
        now = time.time()
        found = alert(id=f"{now - age:017.6f}-7", time=now - age, **changes)
        self.spool.write(directory, found["id"], to_json(found), 0o640)

    def problems(self):
        return {problem.key: problem for problem in examine(self.spool).problems}

    def only(self):
        """Return the only problem."""
        (problem,) = examine(self.spool).problems
        what, colon, mend = problem.sentence.partition(": ")
        assert what
        assert colon
        assert mend
        return problem


@pytest.fixture
def host(tmp_path, monkeypatch, spool):
    return Host(tmp_path, monkeypatch, spool)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_users_environment_in_the_auth_part_is_critical_unless_it_is_accepted(host, accepted):
    """It takes effect before the line does, also through an include."""
    sshd, other = host.pam, host.pam.parent / "common-auth"
    other.write_text("auth required pam_env.so user_readenv=1\n")
    sshd.write_text("@include common-auth\n" + sshd.read_text())
    host.configure(accept=["user_environment"] * accepted)
    if accepted:
        assert host.problems() == {}
        return
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "environment sshd")
    assert problem.sentence.startswith(f"{other} line 1 reads ~/.pam_environment in the auth part")


def test_a_users_environment_in_the_session_part_comes_too_late_to_matter(host):
    host.pam.write_text(host.pam.read_text() + "session required pam_env.so user_readenv=1\n")
    assert host.problems() == {}


@pytest.mark.parametrize("accepted", [False, True])
def test_a_directory_that_others_can_write_is_critical_unless_it_is_accepted(host, monkeypatch, accepted):
    monkeypatch.setattr("ssh_login_notify.trust.open_directories", lambda: ["/usr/local/bin"])
    host.configure(accept=["writable_directories"] * accepted)
    if accepted:
        assert host.problems() == {}
        return
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "directories")
    assert "users other than root can write to /usr/local/bin" in problem.sentence


def test_where_nothing_is_wrong_there_is_no_problem(host):
    host.put_now(5)
    assert host.problems() == {}
    assert examine(host.spool).severity == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("session required pam_unix.so\n", "is gone"),
        (PAM_LINE.replace("session", "#session") + "\nsession required pam_unix.so\n", "is gone"),
        (f"{PAM_LINE}\n{PAM_LINE}\nsession required pam_unix.so\n", "is there more than once"),
        (PAM_LINE.rpartition("\n")[0] + "\nsession required pam_unix.so\n", "is not complete"),
        (PAM_LINE.rpartition("\n")[2] + "\nsession required pam_unix.so\n", "is not complete"),
        (f"session required pam_unix.so\n{PAM_LINE}\n", "is not the first of the session part"),
        (PAM_LINE.replace("optional", "required") + "\nsession required pam_unix.so\n", "was changed"),
        (PAM_LINE.replace(" quiet", "") + "\nsession required pam_unix.so\n", "was changed"),
    ],
)
def test_a_pam_line_that_is_not_as_it_should_be_is_critical(host, text, fault):
    host.pam.write_text(text)
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "pam sshd")
    assert problem.sentence == f"the PAM line in {host.pam} {fault}: run the role again"


def test_the_line_may_follow_pam_selinux_close_and_rules_of_other_parts(host):
    (host.pam.parent / "common-auth").write_text("auth required pam_unix.so\n")
    text = f"@include common-auth\nsession required pam_selinux.so close\n{PAM_LINE}\nsession required pam_unix.so\n"
    host.pam.write_text(text)
    assert host.problems() == {}
    (host.pam.parent / "common-auth").write_text("session required pam_unix.so\n")
    assert "is not the first" in host.only().sentence


class Second:
    """An sshd that uses its own PAM service."""

    title = "/usr/sbin/sshd-second on port 2222"
    key = "/usr/sbin/sshd-second -p2222"
    use_pam = "yes"
    services = ("sshd-second",)


@pytest.mark.parametrize("settings", [{}, {"accept": ["unreported_sshd"]}, {"pam_services": ["sshd", "sshd-second"]}])
def test_an_sshd_whose_logins_are_not_reported_is_critical_unless_it_is_accepted(host, monkeypatch, settings):
    monkeypatch.setattr(sshds, "found", lambda: [Second, Second])
    host.configure(**settings)
    (host.pam.parent / "sshd-second").write_text(host.pam.read_text())
    found = examine(host.spool)
    if settings:
        assert found.problems == []
    else:
        assert {problem.key for problem in found.problems} == {"sshd /usr/sbin/sshd-second -p2222 sshd-second"}
        assert found.severity == CRITICAL
        assert f"{Second.title} uses the PAM service sshd-second, which" in found.problems[0].sentence
    assert health.as_json(found)["sshds"] == [Second.title] * 2
    assert f'2 sshds: "{Second.title}"' in health.as_line(found, "ok")


def test_every_service_of_the_configuration_should_have_the_line(host):
    host.configure(pam_services=["sshd", "login"])
    problem = host.only()
    assert problem.key == "pam login"
    assert "can't be read (No such file or directory)" in problem.sentence


def test_without_a_configuration_the_line_of_sshd_is_looked_for(host):
    host.configuration.unlink()
    host.pam.write_text("session required pam_unix.so\n")
    assert set(host.problems()) == {"configuration", "pam sshd"}


def test_a_pam_file_that_is_not_text_is_reported(host):
    host.pam.write_bytes(b"\x00")
    assert "control characters" in host.only().sentence


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_configuration_that_others_may_read_is_critical(host, mode):
    host.configuration.chmod(mode)
    assert (host.only().severity, host.only().key) == (CRITICAL, "exposed")


MODES = {"writable": 0o664, "closed": 0o000, "setuid": 0o4644, "setgid": 0o2644}


@pytest.mark.parametrize("name", ["cli.py", "channels/slack.py"])
@pytest.mark.parametrize("damage", ["changed", "gone", "linked", "owned", "added", "beside", *MODES])
def test_a_file_that_is_not_as_installed_is_critical_and_named(host, name, damage, tmp_path):
    module = host.library / "ssh_login_notify" / name
    named = module
    if damage == "changed":
        module.write_text("changed")
    elif damage == "gone":
        module.unlink()
    elif damage in MODES:
        module.chmod(MODES[damage])
    elif damage == "owned":
        os.chown(str(module), 65534, 65534)
    elif damage == "linked":
        module.rename(tmp_path / "elsewhere")
        module.symlink_to(tmp_path / "elsewhere")
    else:
        named = host.library / "json.py" if damage == "beside" else module.parent / "json.py"
        named.write_text("")
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "files")
    assert problem.sentence == f"files differ from what the role installed ({named}): run the role again"


@pytest.mark.parametrize("mode", [0o644, 0o000, 0o055, 0o4755, 0o2755, 0o775])
def test_a_program_that_can_not_be_executed_as_it_should_is_critical(host, mode):
    """`python3 PROGRAM status` still works."""
    program = host.library.parent / "program"
    program.chmod(mode)
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "files")
    assert problem.sentence == f"files differ from what the role installed ({program}): run the role again"
    program.chmod(0o700)
    assert host.problems() == {}


@pytest.mark.parametrize("mode", [0o000, 0o655, 0o777, 0o2755])
@pytest.mark.parametrize("name", ["library", "library/ssh_login_notify", "library/ssh_login_notify/channels"])
def test_a_directory_of_the_program_that_is_closed_to_root_or_open_to_others_is_critical(host, name, mode):
    directory = host.library.parent / name
    directory.chmod(mode)
    problem = host.only()
    assert problem.sentence == f"files differ from what the role installed ({directory}): run the role again"


@pytest.mark.parametrize("damage", ["missing", "a directory", "not executable", "others'", "writable"])
def test_the_programs_python_must_be_there_executable_and_roots(host, damage, tmp_path):
    python, program = tmp_path / "python", tmp_path / "program"
    program.write_text(f"#!{python} -ISB\n")
    digests = json.loads((host.library / "manifest.json").read_text())
    digests["files"][str(program)] = hashlib.sha256(program.read_bytes()).hexdigest()
    (host.library / "manifest.json").write_text(json.dumps(digests))
    python.write_text("")
    python.chmod(0o755)
    assert host.problems() == {}
    if damage == "missing":
        python.unlink()
    elif damage == "a directory":
        python.unlink()
        python.mkdir(0o755)
    elif damage == "others'":
        os.chown(str(python), 65534, 65534)
    else:
        python.chmod({"not executable": 0o644, "writable": 0o775}[damage])
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "python")
    assert str(python) in problem.sentence


def test_a_program_where_nothing_may_be_executed_is_critical(host, monkeypatch):
    found = os.statvfs(str(host.library))

    class Flags:
        f_flag, f_bfree, f_frsize, f_files, f_ffree = found.f_flag | os.ST_NOEXEC, *found[3:4], found.f_frsize, 0, 0

    monkeypatch.setattr(os, "statvfs", lambda _path: Flags)
    assert "is on a file system that is mounted noexec" in host.problems()["python"].sentence


def test_a_sub_package_that_is_missing_or_a_link_is_critical_and_named(host, tmp_path):
    directory = host.library / "ssh_login_notify" / "channels"
    directory.rename(tmp_path / "elsewhere")
    lost = (directory / "slack.py", directory, directory / "__pycache__")
    assert f"({', '.join(map(str, lost))} and 1 more): run the role again" in host.only().sentence
    directory.symlink_to(tmp_path / "elsewhere")
    assert f"({directory}): run the role again" in host.only().sentence


@pytest.mark.parametrize("folder", ["ssh_login_notify", "ssh_login_notify/channels"])
@pytest.mark.parametrize("damage", ["changed", "missing", "added", "in a new directory"])
def test_byte_code_that_the_role_did_not_write_is_critical(host, folder, damage):
    (path,) = (host.library / folder / "__pycache__").iterdir()
    assert host.problems() == {}
    if damage == "missing":
        path.unlink()
    elif damage == "in a new directory":
        path = host.library / folder / "new"
        (path / "__pycache__").mkdir(parents=True)
    else:
        path = path if damage == "changed" else path.with_suffix(".new.pyc")
        path.write_bytes(b"planted!!")
    assert host.only().sentence == f"files differ from what the role installed ({path}): run the role again"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "\xff", None])
def test_a_list_of_files_that_is_damaged_is_critical(host, text):
    path = host.library / "manifest.json"
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="latin-1")
    assert (host.only().severity, host.only().key) == (CRITICAL, "files")


def test_of_many_files_a_few_are_named(host):
    for number in range(9):
        (host.library / f"x{number}.py").touch()
    assert "x2.py and 6 more): run" in host.only().sentence


@pytest.fixture
def systemd(host, monkeypatch, tmp_path):
    return parts.Systemd(tmp_path, monkeypatch)


@pytest.mark.whole
@pytest.mark.parametrize("name", paths.UNITS)
@pytest.mark.parametrize("state", ["failed", "inactive"])
def test_a_unit_that_is_not_active_is_critical(host, systemd, name, state):
    assert host.problems() == {}
    systemd.has(name, ActiveState=state)
    assert host.only().sentence == f"the systemd unit {name} is {state}: run the role again"
    assert (host.only().severity, host.only().key) == (CRITICAL, name)


@pytest.mark.parametrize("name", [*paths.UNITS, *paths.SERVICES])
def test_a_unit_that_is_masked_is_critical(host, systemd, name):
    """A service need not be active, so nothing else would show it."""
    systemd.has(name, LoadState="masked", ActiveState="inactive", FragmentPath="", ExecStart="")
    mend = f"systemctl unmask {name}, and run the role again"
    assert host.only().sentence == f"the systemd unit {name} is masked: {mend}"
    assert (host.only().severity, host.only().key) == (CRITICAL, name)


@pytest.mark.parametrize("name", paths.SERVICES)
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"ExecStart": "{ path=/bin/true ; argv[]=/bin/true ; }"}, "starts /bin/true and not {program}"),
        ({"ExecStart": "{ path={program} ; argv[]={program} --help ; }"}, "starts {program} --help and not {program} "),
        ({"ExecStart": ""}, "starts nothing and not {program}"),
        ({"ConditionResult": "no", "ConditionTimestampMonotonic": "5"}, "is skipped by systemd"),
        ({"Result": "exec-condition"}, "is skipped by systemd"),
        ({"FragmentPath": "/etc/systemd/system.control/x"}, "was read from /etc/systemd/system.control/x and not from"),
        ({"LoadState": "not-found", "FragmentPath": ""}, "is not-found"),
    ],
)
def test_a_service_that_a_drop_in_or_another_file_has_changed_is_critical(host, systemd, name, changes, what):
    systemd.has(name, **{key: text.replace("{program}", paths.PROGRAM) for key, text in changes.items()})
    assert what.format(program=paths.PROGRAM) in host.only().sentence
    assert (host.only().severity, host.only().key) == (CRITICAL, name)


@pytest.mark.parametrize("name", paths.SERVICES)
def test_a_service_that_was_never_started_was_not_skipped(host, systemd, name):
    """systemd reports `no` for a condition that it has not checked yet."""
    systemd.has(name, ConditionResult="no", ConditionTimestampMonotonic="0", Result="success")
    assert host.problems() == {}


@pytest.mark.parametrize("code", [218, 226, 228])
def test_a_service_that_systemd_could_not_start_is_critical_at_once(host, systemd, code):
    """In a container without nesting it fails with 226/NAMESPACE, before the program runs."""
    systemd.has("ssh-login-notify.service", ExecMainStatus=str(code))
    assert (host.only().severity, host.only().key) == (CRITICAL, "ssh-login-notify.service")
    assert f"systemd could not start ssh-login-notify.service (exit code {code}, " in host.only().sentence


@pytest.mark.parametrize("code", [0, 2, 9, 75])
def test_a_run_that_ended_by_itself_is_not_reported_as_a_failed_start(host, systemd, code):
    systemd.has("ssh-login-notify.service", ExecMainStatus=str(code))
    assert host.problems() == {}


def test_lines_of_sshd_that_journald_has_dropped_are_a_warning(host, monkeypatch):
    monkeypatch.setattr(suppressed, "lately", lambda **_how: suppressed.Suppressed(12, "ssh.service", 1))
    assert (host.only().severity, host.only().key) == (WARNING, "journal")
    assert host.only().sentence.startswith("journald has dropped 12 messages of ssh.service in the last hour: find out")


@pytest.fixture
def installed(host, monkeypatch):
    """Write the role's file about the host, as the test needs it."""

    def says(scheduler, sandbox_without=()):
        path = host.library.parent / "host.json"
        path.write_text(json.dumps({"scheduler": scheduler, "sandbox_without": list(sandbox_without)}))
        monkeypatch.setattr(paths, "HOST", str(path))

    return says


@pytest.mark.parametrize("missing", ["SYSTEMD", "PATH_UNIT"])
def test_systemd_that_is_to_start_the_sender_but_is_gone_is_critical(host, systemd, installed, monkeypatch, missing):
    systemd.has()
    installed("systemd")
    assert host.problems() == {}
    monkeypatch.setattr(paths, missing, str(host.library / "missing"))
    assert (host.only().severity, host.only().key) == (CRITICAL, "scheduler")


@pytest.mark.parametrize("scheduler", ["cron", "none"])
def test_systemd_that_the_role_did_not_find_is_reported(host, systemd, installed, monkeypatch, scheduler):
    systemd.has()
    installed(scheduler)
    assert (host.only().severity, host.only().key) == (WARNING, "scheduler")
    monkeypatch.setattr(paths, "SYSTEMD", str(host.library / "missing"))
    assert host.problems() == {}


def test_refused_parts_of_the_sandbox_are_shown_and_are_not_a_problem(host, systemd, installed):
    systemd.has()
    installed("systemd", ["namespaces"])
    found = examine(host.spool)
    assert found.problems == []
    assert health.as_json(found)["sandbox_without"] == ["namespaces"]
    assert "this host refuses a part of the units' sandbox (namespaces)" in health.as_line(found, "ok")
    installed("systemd")
    assert "sandbox" not in health.as_line(examine(host.spool), "ok")


@pytest.fixture
def open_connection(host, monkeypatch):
    """A connection that stays open, with a short wait for a follower."""
    monkeypatch.setattr(health, "FOLLOWED_SECONDS", 0.3)
    OpenConnections(host.spool).keep(Record(alert(), os.getpid(), 1, ":"))


@pytest.mark.usefixtures("open_connection")
@pytest.mark.parametrize(("systemd", "starter"), [(True, "systemd starts one within"), (False, "cron starts one")])
def test_a_connection_that_no_process_watches_is_reported(host, monkeypatch, systemd, starter):
    monkeypatch.setattr(units, "systemd_starts_the_sender", lambda: systemd)
    problem = host.only()
    assert (problem.severity, problem.key, problem.about_delivery) == (WARNING, "follower", False)
    assert problem.sentence.startswith("no process watches 1 open connection, ")
    assert f": {starter}" in problem.sentence
    assert not os.path.exists(host.spool.path("follower.lock")), "looking changes nothing"


@pytest.mark.usefixtures("open_connection")
def test_between_two_followers_nothing_is_wrong(host, monkeypatch):
    lock = host.spool.path("follower.lock")
    seen = iter([False, False, True])
    parts.Path(lock).touch()
    monkeypatch.setattr(health, "is_locked", lambda path: path == lock and next(seen))
    assert host.problems() == {}


def test_a_systemd_that_does_not_answer_is_not_our_problem(host, systemd, monkeypatch):
    monkeypatch.setattr(paths, "SYSTEMCTL", "/nonexistent")
    assert host.problems() == {}


def test_without_the_system_user_nothing_is_sent_which_is_critical(host, monkeypatch):
    monkeypatch.setattr("ssh_login_notify.paths.USER", "nobody-of-that-name")
    assert (host.only().severity, host.only().key) == (CRITICAL, "user")


@pytest.mark.parametrize("left", [{"f_bfree": 3}, {"f_ffree": 0}])
def test_a_full_disk_is_critical_before_anything_is_lost(host, monkeypatch, left):
    class Disk:
        f_flag, f_frsize, f_bfree, f_files, f_ffree = 0, 4096, 1000, 500, 400

    monkeypatch.setattr(os, "statvfs", lambda _path: Disk)
    assert host.problems() == {}
    for name in left:
        monkeypatch.setattr(Disk, name, left[name])
    assert (host.only().severity, host.only().key) == (CRITICAL, "full")


def test_alerts_that_were_lost_are_critical(host):
    ballast.refill(host.spool)
    ballast.count_lost(host.spool)
    assert (host.only().severity, host.only().key) == (CRITICAL, "lost")
    assert host.only().sentence.startswith("1 alert was lost")


def test_a_label_that_keeps_sshd_from_writing_is_critical(host, monkeypatch):
    found = {"label x": "x has the wrong label: restore it"}
    monkeypatch.setattr("ssh_login_notify.labels.faults", lambda _spool: found)
    assert (host.only().severity, host.only().key) == (CRITICAL, "selinux label x")


def test_unexpected_files_in_the_spool_are_a_warning(host):
    parts.Path(host.spool.path("outgoing", "READ\x1bME")).touch()
    problem = host.only()
    assert (problem.severity, problem.key) == (WARNING, "foreign")
    assert "outgoing/READ\\x1bME" in problem.sentence


def test_a_spool_that_is_gone_is_critical(host):
    os.rename(host.spool.root, host.spool.root + ".away")
    assert (host.only().severity, host.only().key) == (CRITICAL, "spool")


def test_alerts_outside_the_spool_count_as_waiting(host):
    overflow.keep(f"{time.time() - 100:017.6f}-7", b"x")
    found = examine(host.spool)
    assert [problem.key for problem in found.problems] == ["overflow"]
    assert 99 < found.oldest_waiting_seconds < 110
    assert health.as_json(found)["waiting"] == 1


def test_dropped_alerts_are_critical_until_a_message_reports_them(host):
    state = State(host.spool)
    state.dropping(12)
    assert "12 alerts were dropped" in host.only().sentence
    assert host.only().severity == CRITICAL
    state.delivered([])
    assert host.problems() == {}
    assert health.as_json(examine(host.spool))["dropped"] == 12


def test_a_silence_that_is_too_long_is_critical(host):
    host.configure(longest_silence=26)
    assert host.problems() == {}, "installed just now, nothing can have been delivered for long"
    delivery = {"id": "1-1", "user": "x", "from": "x", "login_time": 0, "status": 200}
    State(host.spool).delivered([dict(delivery, delivered_at=time.time() - 27 * 3600)])
    problem = host.only()
    assert (problem.severity, problem.key) == (CRITICAL, "silence")
    assert "nothing was delivered for 27 hours" in problem.sentence
    State(host.spool).delivered([dict(delivery, delivered_at=time.time() + 3600)])
    assert host.only().key == "silence", "the clock was ahead then, so this says nothing"
    host.configure()
    assert host.problems() == {}, "no limit was set"
    host.configure(longest_silence=26)
    State(host.spool).pinged({"at": time.time() - 3600, "well": True, "answer": "200"})
    assert host.problems() == {}, "a heartbeat without a message is a sign, too"


def test_a_host_that_never_delivered_anything_is_silent_since_it_was_installed(host):
    host.configure(longest_silence=26)
    os.utime(str(host.library / "manifest.json"), (time.time() - 23 * 3600,) * 2)
    assert host.problems() == {}
    host.configure(longest_silence=22)
    assert host.only().key == "silence"


def test_a_dead_mans_switch_that_was_not_reached_is_a_warning(host):
    State(host.spool).pinged({"at": time.time(), "well": False, "answer": "404"})
    assert host.problems() == {}, "there is none any more"
    host.configure(heartbeat_ping_url="https://switch.example/not-a-real-secret")
    assert (host.only().severity, host.only().key) == (WARNING, "ping")
    State(host.spool).pinged({"at": time.time(), "well": True, "answer": "200"})
    assert host.problems() == {}


def test_the_worst_problem_counts(host):
    parts.Path(host.spool.path("outgoing", "README")).touch()
    assert examine(host.spool).severity == WARNING
    host.pam.write_text("session required pam_unix.so\n")
    assert examine(host.spool).severity == CRITICAL
    line = health.as_line(examine(host.spool), "critical")
    assert line.startswith("CRITICAL: ")
    assert "is gone: run the role again; the spool contains unexpected files" in line
    assert "\n" not in line


def test_a_users_name_adds_no_words_to_the_line(host):
    delivery = {"id": "1-1", "user": "x", "from": "x", "login_time": 0, "status": 200, "delivered_at": time.time()}
    State(host.spool).delivered([dict(delivery, user="ada from 192.0.2.9; all is well")])
    line = health.as_line(examine(host.spool), "ok")
    assert line.endswith(': "ada from 192.0.2.9; all is well" from x')


def test_looking_changes_nothing(host):
    host.put_now(1000)
    parts.Path(host.spool.path("outgoing", "README")).touch()
    before = sorted(os.walk(host.spool.root))
    examine(host.spool)
    assert sorted(os.walk(host.spool.root)) == before
