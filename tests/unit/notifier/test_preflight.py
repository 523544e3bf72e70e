# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""preflight: an unfit host is refused before anything is changed, by the same rules as in the installation."""

import grp
import json
import os
import pwd

import pytest
from parts import PAM_LINE, needs_root
from ssh_login_notify import pam_files, pam_line, pam_stack, paths, preflight, sshd_start, sshds, trust, wording
from ssh_login_notify.languages import ENGLISH

STACK = "auth required pam_unix.so\nsession required pam_unix.so\n"
WITH_LINE = f"auth required pam_unix.so\n{PAM_LINE}\nsession required pam_unix.so\n"
SCRIPT = "/usr/local/bin/ssh-login-notify.sh"
MANAGED = "# Ansible managed\n"
BY_HAND = f"session optional pam_exec.so seteuid {SCRIPT} now\n"
UNITS = {"ssh-login-notify.path": True, "ssh-login-notify-heartbeat.timer": False}
WANTED = {
    "state": "present", "pam_services": ["sshd"], "units": {}, "services": [], "sandbox": [], "offline": False,
    "copy_vendor": False, "accept": [], "ca_file": "", "adopt": False, "adopt_commands": [SCRIPT], "adopt_files": [],
}  # fmt: skip

# Python itself can affect each case.
pytestmark = [needs_root, pytest.mark.each]


class Host:
    """A host below a directory, where each command is a script of the test."""

    def __init__(self, root):
        self.root = root
        for name in ("bin", "pam.d", "vendor", "security", "ssh", "spool/state", "run", "systemd", "proc"):
            (root / name).mkdir(parents=True)
        (root / "security" / "pam_exec.so").write_text("")
        self.pam("sshd", STACK)
        self.command("sshd", "echo usepam yes")
        self.command("useradd", "")
        self.command("dpkg-query", "exit 1")

    def path(self, *names):
        return str(self.root.joinpath(*names))

    def pam(self, service, text):
        (self.root / "pam.d" / service).write_bytes(text.encode())

    def command(self, name, script):
        path = self.root / "bin" / name
        path.write_text("#!/bin/sh\n" + script + "\n")
        path.chmod(0o755)

    def examine(self, **wanted):
        return preflight.examine(dict(WANTED, **wanted), "/usr/bin/python3")

    def problem(self, **wanted):
        (problem,) = self.examine(**wanted)["problems"]
        assert problem.endswith(".")
        return problem


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    places = {
        "PROGRAM": "/usr/local/bin/ssh-login-notify-that-no-machine-has", "LIBRARY": host.path("library"),
        "CONFIGURATION": host.path("conf"), "SPOOL": host.path("spool"), "OVERFLOW": host.path("run"),
        "ACCOUNT": "no-such-account", "SELINUX_ENFORCE": host.path("enforce"), "SELINUX": host.path("selinux"),
        "SYSTEMD_RUNS": host.path("no-systemd"), "SYSTEMD_PROGRAMS": (host.path("bin", "systemd"),),
        "UNIT_FILES": host.path("systemd", "ssh-login-notify*"), "CRON_D": host.path("no-cron"),
        "PAM_EXEC": (host.path("security"),), "OS_RELEASE": (host.path("os-release"),),
    }  # fmt: skip
    for name, value in places.items():
        monkeypatch.setattr(preflight, name, value)
    monkeypatch.setattr(preflight, "PROGRAM", "/usr/local/bin/ssh-login-notify")
    monkeypatch.setattr(paths, "PAM_DIRECTORIES", (host.path("pam.d"), host.path("vendor")))
    monkeypatch.setattr(paths, "SYSTEMD", host.path("no-systemd"))
    monkeypatch.setattr(sshds, "PROC", host.path("proc"))
    monkeypatch.setattr(sshd_start, "CONFIGURATIONS", (host.path("ssh", "sshd_config"),))
    monkeypatch.setattr(trust, "TRUSTED", ())
    look = trust.open_directories

    def open_directories(asked=None):
        """Everybody can write below /tmp, also to the tests' programs."""
        return [] if asked and asked[0].startswith(host.path("bin")) else look(asked)

    monkeypatch.setattr(trust, "open_directories", open_directories)
    monkeypatch.setenv("PATH", host.path("bin") + ":/usr/bin:/bin")
    return host


def test_a_new_host_is_fit_and_has_nothing_of_the_notifiers(host):
    found = host.examine()
    assert found["problems"] == []
    assert found["repairs"] == []
    assert found["account"] == "missing"
    assert found["pam_services"] == []
    assert found["pam_faults"] == {"sshd": "is gone"}
    assert not found["delivered"]
    json.dumps(found)


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"metrics_file": "/var/lib/x/a.prom"}', ["/var/lib/x/a.prom"]), ('{"metrics_file": ""}', []), ("{}", []),
        ('{"metrics_file": "/etc/passwd"}', []), ('{"metrics_file": "a.prom"}', []), ('{"metrics_file": [1]}', []),
        ("{", []), ("[]", []), ("SLACK=1\n", []), ("", []),
    ],
)  # fmt: skip
def test_the_metrics_that_an_earlier_run_had_written_are_known_so_that_they_can_be_removed(host, text, found, state):
    with open(host.path("conf"), "w") as file:
        file.write(text)
    assert host.examine(state=state)["metrics_files"] == found


def test_a_line_that_is_commented_out_is_no_line(host):
    """Otherwise the module that adds it would refuse the file after everything else was installed."""
    commented = "".join(f"#{line}\n" for line in PAM_LINE.splitlines())
    host.pam("sshd", f"# managed by puppet\n{commented}{STACK}")
    found = host.examine()
    assert found["pam_faults"] == {"sshd": "is gone"}
    assert found["pam_services"] == []


@pytest.mark.parametrize(
    "text",
    [
        WITH_LINE, STACK, WITH_LINE.replace("success=2", "success=1"), WITH_LINE + PAM_LINE + "\n",
        "session required pam_limits.so\n" + WITH_LINE, WITH_LINE.replace("\n", "\r\n"),
        WITH_LINE.replace(PAM_LINE.splitlines()[1] + "\n", ""), WITH_LINE.replace("quiet ", ""),
        "session [success=ok] pam_selinux.so close\n" + WITH_LINE, "@include common\n" + WITH_LINE, PAM_LINE + "\n",
    ],
)  # fmt: skip
def test_the_line_is_right_exactly_when_the_module_would_leave_it_as_it_is(host, text):
    host.pam("sshd", text)
    host.pam("common", "session required pam_unix.so\n")
    try:
        unchanged = pam_stack.present(text, preflight.PROGRAM, (), pam_files.find) == text
    except pam_stack.PamStackError:
        unchanged = False
    found = host.examine()
    assert bool(found["pam_line_due"] or found["problems"]) != unchanged
    # A file with only our lines has no fault of the lines. The file itself is refused.
    assert found["problems"] or (found["pam_faults"] == {}) == unchanged


@pytest.mark.parametrize(
    ("text", "due"),
    [
        (WITH_LINE, False), (STACK, True), ("auth optional pam_env.so user_readenv=1\n" + WITH_LINE, True),
        (MANAGED + WITH_LINE, False),
        (WITH_LINE.replace("session required pam_unix.so\n", "session required pam_unix.so\r\n"), True),
    ],
)  # fmt: skip
def test_the_module_is_due_when_it_would_change_the_file_or_warn_of_it(host, text, due):
    host.pam("sshd", text)
    found = host.examine(accept=["user_environment", "managed_file"])
    assert (found["problems"], found["pam_line_due"]) == ([], due)


def test_the_line_of_a_hand_made_notifier_is_to_be_replaced(host):
    host.pam("sshd", WITH_LINE + BY_HAND)
    assert host.examine(adopt=True)["pam_line_due"]


REFUSED = {
    "nothing-else": (PAM_LINE + "\n", "it has no other session rules, and optional rules alone can refuse every login"),
    "managed": (MANAGED + STACK, "it says 'Ansible managed', so Ansible would remove the lines again"),
    "user-environment": ("auth optional pam_env.so user_readenv=1\n" + STACK, "Remove user_readenv=1"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_the_module_would_refuse_is_refused_before_anything_is_installed(host, why):
    text, reason = REFUSED[why]
    host.pam("sshd", text)
    said = host.problem()
    assert said.startswith(f"{host.path('pam.d', 'sshd')} was left unchanged: ")
    assert reason in said


def test_a_service_with_the_vendors_file_alone_needs_a_copy(host):
    (host.root / "pam.d" / "sshd").unlink()
    (host.root / "vendor" / "sshd").write_text(STACK)
    assert "only the vendor's " + host.path("vendor", "sshd") in host.problem()
    assert host.examine(copy_vendor=True)["problems"] == []
    assert host.examine(copy_vendor=True)["pam_line_due"]


def test_a_file_that_can_not_be_edited_is_refused(host):
    host.pam("other", WITH_LINE)
    os.symlink("other", host.path("pam.d", "link"))
    (host.root / "pam.d" / "text").write_bytes(b"\x00")
    (host.root / "pam.d" / "directory").mkdir()
    os.mkfifo(host.path("pam.d", "pipe"))
    services = ["link", "text", "directory", "missing", "pipe"]
    found = host.examine(pam_services=services)
    assert sorted(found["pam_faults"]) == sorted(services)
    for service, problem in zip(services, found["problems"]):
        assert problem.startswith(host.path("pam.d", service) + " was left unchanged: ")


def test_a_file_that_can_not_be_read_is_a_problem(host, monkeypatch):
    def read(_path):
        raise OSError("Input/output error")

    monkeypatch.setattr(pam_line, "read", read)
    assert host.problem() == host.path("pam.d", "sshd") + " could not be changed: Input/output error."


def test_users_who_set_the_environment_are_found_where_the_service_includes_it(host):
    host.pam("common-auth", "auth optional pam_env.so user_readenv=1\n")
    assert not host.examine()["user_environment"]
    host.pam("sshd", "@include common-auth\n" + WITH_LINE)
    assert host.examine()["user_environment"]
    host.pam("common-auth", "# auth optional pam_env.so user_readenv=1\n")
    assert not host.examine()["user_environment"]


# Files that people and package managers leave next to a file. Some look like a service's name.
COPIES = (
    "sshd.backup", "sshd_bak", "sshd.save", "sshd.2026-01-02", "sshd~", "sshd.bak", "sshd.dpkg-old", "sshd.dpkg-dist",
    "sshd.ucf-dist", "sshd.rpmsave", "sshd.rpmnew", "sshd.orig", "sshd-old", "sshd2", "backup-sshd", "sshd (copy)",
    "20260102-sshd", "#sshd#", ".sshd.swp", "SSHD", "common-session.4711.2026-01-31@10:15:00~", "ssh-login-notify-test",
)  # fmt: skip


@pytest.mark.whole
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_copy_is_nobodys_service_and_is_neither_edited_nor_a_reason_to_stop(host, state):
    host.pam("sshd", WITH_LINE)
    for copy in COPIES:
        host.pam(copy, WITH_LINE)
    assert host.examine(state=state)["pam_services"] == ["sshd"]
    for copy in COPIES:
        host.pam(copy, STACK + BY_HAND)
    assert host.examine(state=state, adopt=True)["problems"] == []
    assert host.examine(state=state)["problems"] == []


def test_a_service_that_somebody_uses_is_one_whatever_its_name(host):
    """A program of its name, an sshd that runs, an include, a package, the settings, or the installed ones."""
    program = host.path("bin", "sshd.orig")
    os.symlink(host.path("bin", "sshd"), program)
    host.pam("su", "session include su.backup\n")
    host.command("su", "")
    host.command("login", "")
    host.command("dpkg-query", '[ "$*" = "--search {}" ]'.format(host.path("pam.d", "cockpit")))
    host.command("rpm", '[ "$*" = "--query --file {}" ]'.format(host.path("pam.d", "vsftpd.save")))
    (host.root / "conf").write_text(json.dumps({"pam_services": ["xrdp-old", 7]}))
    services = ["cockpit", "login", "sshd", "sshd.bak", "sshd.orig", "su.backup", "vsftpd.save", "xrdp-old"]
    for service in services:
        host.pam(service, WITH_LINE)
    os.symlink("login", host.path("pam.d", "link"))
    assert host.examine(pam_services=["sshd", "sshd.bak"])["pam_services"] == services


@pytest.mark.parametrize("written", ["", "SLACK=x", "[]", "{}", '{"pam_services": "sshd"}', "[" * 100000])
def test_an_installed_configuration_that_is_none_names_no_services(host, written):
    (host.root / "conf").write_text(written)
    assert host.examine(adopt=True)["pam_services"] == []


@pytest.mark.parametrize("service", ["login", "su", "cockpit", "sudo", "xrdp-sesman"])
def test_another_service_is_not_a_reason_to_refuse(host, service):
    host.pam(service, STACK)
    found = host.examine(pam_services=["sshd", service])
    assert (found["problems"], sorted(found["pam_faults"])) == ([], sorted(["sshd", service]))


def test_a_pipe_among_the_services_is_not_waited_for(host):
    os.mkfifo(host.path("pam.d", "pipe"))
    host.pam("sshd", "@include pipe\n" + WITH_LINE)
    assert host.examine()["pam_services"] == ["sshd"]


# -- hand-made notifiers --


def test_a_hand_made_notifier_is_refused_until_it_may_be_replaced(host):
    host.pam("sshd", STACK + BY_HAND)
    said = host.problem()
    assert f"{paths.PAM_DIRECTORIES[0]}/sshd: {SCRIPT} now" in said
    assert "set ssh_login_notify_adopt: true" in said
    found = host.examine(adopt=True)
    assert (found["problems"], found["adopts"], found["other_commands"]) == ([], True, [])


def test_one_in_a_file_that_others_include_can_not_be_replaced_in_one_step(host):
    host.pam("common-session", BY_HAND)
    host.pam("sshd", "@include common-session\n" + STACK)
    assert "cannot be replaced in one step" in host.problem(adopt=True)


def test_a_command_is_known_by_all_of_its_words_and_comments_run_nothing(host):
    host.pam("sshd", f"{STACK}# {BY_HAND}session optional pam_exec.so log=/x /bin/sh {SCRIPT}\n")
    found = host.examine()
    assert found["problems"] == []
    assert found["other_commands"] == [f"{paths.PAM_DIRECTORIES[0]}/sshd: /bin/sh {SCRIPT}"]
    assert "is already installed" in host.problem(adopt_commands=["/bin/sh " + SCRIPT])
    assert host.examine(adopt_commands=["/bin/s", "/bin/sh " + SCRIPT[:-1]])["problems"] == []


def test_files_that_an_interrupted_run_has_left_are_still_to_be_set_aside(host):
    assert not host.examine(adopt=True, adopt_files=[host.path("script")])["adopts"]
    os.symlink("nowhere", host.path("script"))
    assert host.examine(adopt=True, adopt_files=[host.path("script")])["adopts"]
    assert not host.examine(adopt_files=[host.path("script")])["adopts"]


def test_a_configuration_by_hand_is_refused_until_it_may_be_set_aside(host):
    (host.root / "conf").write_text("SLACK_WEBHOOK_URL=https://hooks.slack.example/not-a-real-secret\n")
    said = host.problem()
    assert "was written by hand" in said
    assert "not-a-real-secret" not in said
    found = host.examine(adopt=True)
    assert (found["problems"], found["adopts"], found["foreign_configuration"]) == ([], True, True)
    (host.root / "conf").write_text('\n {"webhook_url": "x"}')
    assert not host.examine()["foreign_configuration"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_somebody_elses_program_with_our_name_is_never_touched(host, monkeypatch, state):
    monkeypatch.setattr(preflight, "PROGRAM", host.path("program"))
    (host.root / "program").write_text("#!/bin/sh\ncurl x\n")
    assert "was written by hand" in host.problem(state=state)
    (host.root / "library").mkdir()
    assert host.examine(state=state)["problems"] == [], "a damaged one of ours"


# -- account, scheduler, SELinux --


@pytest.mark.parametrize(
    ("home", "shell", "group", "state"),
    [
        ("/nonexistent", "/usr/sbin/nologin", 7, "right"),
        ("/nonexistent", "/bin/false", 7, "right"),
        ("/nonexistent", "/bin/sh", 7, "wrong"),
        ("/home/x", "/bin/false", 7, "wrong"),
        ("/nonexistent", "/bin/false", 8, "wrong"),
    ],
)
def test_an_account_that_is_another_is_repaired(host, monkeypatch, home, shell, group, state):
    monkeypatch.setattr(grp, "getgrnam", lambda name: grp.struct_group((name, "x", 7, [])))
    user = pwd.struct_passwd(("x", "x", 7, group, "", home, shell))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: user)
    found = host.examine()
    assert found["account"] == state
    assert ("the account" in str(found["repairs"])) == (state == "wrong")


def systemd(host, monkeypatch, **states):
    """A systemd with these states of two units."""
    monkeypatch.setattr(preflight, "SYSTEMD_RUNS", host.path("systemd"))
    values = dict({"path": "enabled active no", "beat": " inactive no"}, **states)
    blocks = [
        "Id={}\nUnitFileState={}\nActiveState={}\nNeedDaemonReload={}\n".format(name, *values[key].split(" "))
        for name, key in zip(UNITS, ("path", "beat"))
    ]
    host.command("systemctl", "cat << 'END'\n" + "\n".join(blocks) + "END")
    return host.examine(units=UNITS)


@pytest.mark.parametrize(
    ("states", "wrong"),
    [
        ({}, []),
        ({"path": "enabled inactive no"}, ["ssh-login-notify.path"]),
        ({"path": "disabled active no"}, ["ssh-login-notify.path"]),
        ({"path": " inactive no"}, ["ssh-login-notify.path"]),
        ({"beat": "disabled inactive no"}, []),
        ({"beat": "enabled active no"}, ["ssh-login-notify-heartbeat.timer"]),
        ({"beat": "disabled active no"}, ["ssh-login-notify-heartbeat.timer"]),
    ],
)
def test_units_that_are_not_as_they_are_wanted_are_found(host, monkeypatch, states, wrong):
    found = systemd(host, monkeypatch, **states)
    assert (found["scheduler"], found["wrong_units"]) == ("systemd", wrong)
    assert [repair.partition(":")[0] for repair in found["repairs"]] == wrong
    assert not found["reload_is_due"]


def test_a_reload_that_an_interrupted_run_has_left_is_due(host, monkeypatch):
    assert systemd(host, monkeypatch, path="enabled active yes")["reload_is_due"]


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT", 252), ("systemd 239 (239-82.el8_10.5)", 239),
        ("systemd 219", 219), ("systemd 258~rc1 (258~rc1)", 258), ("elogind 246", 9999), ("", 9999),
    ],
)  # fmt: skip
def test_the_version_of_systemd_is_known(host, monkeypatch, said, version):
    monkeypatch.setattr(preflight, "SYSTEMD_RUNS", host.path("systemd"))
    host.command("systemctl", f"[ $1 = --version ] && cat << 'END'\n{said}\nEND")
    assert host.examine()["systemd_version"] == version


SANDBOX = [
    {"setting": "PrivateTmp=yes", "since": 0, "part": "namespaces"},
    {"setting": "ProtectProc=invisible", "since": 247, "part": "namespaces"},
    {"setting": "SystemCallFilter=@system-service", "since": 239, "part": "system calls"},
    {"setting": "CapabilityBoundingSet=", "since": 0, "part": "capabilities"},
]


@pytest.mark.parametrize(
    ("script", "refused"),
    [
        ("exit 0", []),
        ("exit 1", []),  # systemd-run itself fails, and says nothing about the sandbox
        ("exit 217", []),  # the unit's user is missing, which is unrelated to the sandbox
        ('case "$*" in *PrivateTmp*) exit 226 ;; esac', ["namespaces"]),
        ('case "$*" in *PrivateTmp*) exit 225 ;; *SystemCallFilter*) exit 228 ;; esac', ["namespaces", "system calls"]),
        ('case "$*" in *Capability*) exit 218 ;; esac', ["capabilities"]),
        ("exit 226", ["namespaces"]),
    ],
)
def test_the_parts_of_the_sandbox_that_a_host_refuses_are_found_by_a_trial(host, monkeypatch, script, refused):
    monkeypatch.setattr(preflight, "SYSTEMD_RUNS", host.path("systemd"))
    asked = host.path("asked")
    host.command("systemctl", "[ $1 = --version ] && echo systemd 245")
    host.command("systemd-run", f"echo $* >> {asked}\n{script}")
    assert host.examine(sandbox=SANDBOX)["sandbox_without"] == refused
    with open(asked) as file:
        first = file.readline()
    assert "--property=PrivateTmp=yes" in first
    assert "ProtectProc" not in first, "systemd 245 does not know it"


@pytest.mark.parametrize(("version", "wanted"), [(252, {"offline": True}), (252, {"state": "absent"}), (219, {})])
def test_no_trial_is_made_where_there_is_nothing_to_start_it_or_to_install(host, monkeypatch, version, wanted):
    monkeypatch.setattr(preflight, "SYSTEMD_RUNS", host.path("systemd"))
    host.command("systemd", "")
    host.command("systemctl", f"[ $1 = --version ] && echo systemd {version}")
    host.command("systemd-run", "exit 226")
    assert host.examine(sandbox=SANDBOX, **wanted)["sandbox_without"] == []


def test_an_images_units_are_enabled_and_nothing_else(host):
    host.command("systemd", "")
    host.command("systemctl", '[ "$SYSTEMD_OFFLINE $*" = "1 is-enabled ssh-login-notify.path" ] && echo enabled')
    found = host.examine(units=UNITS, offline=True)
    assert (found["scheduler"], found["wrong_units"]) == ("systemd", [])


def test_without_systemd_it_is_cron_or_nothing(host, monkeypatch):
    monkeypatch.setenv("PATH", host.path("bin"))
    monkeypatch.setattr(preflight, "CRON_D", host.path("run"))
    assert host.examine()["scheduler"] == "none"
    host.command("crond", "")
    assert host.examine()["scheduler"] == "cron"


def test_selinux_without_its_tools_is_refused_with_the_packages(host, monkeypatch):
    monkeypatch.setenv("PATH", host.path("bin"))
    host.command("selinuxenabled", "exit 0")
    host.command("restorecon", "")
    said = host.problem()
    assert said.startswith("SELinux is on, ")
    assert "policycoreutils-python-utils (for semanage), libselinux-utils (for matchpathcon" in said
    assert "(for restorecon)" not in said


def test_labels_are_right_when_all_is_there_and_has_the_type(host, monkeypatch):
    for tool in ("selinuxenabled", "restorecon", "semanage"):
        host.command(tool, "exit 0")
    host.command("matchpathcon", "echo system_u:object_r:var_auth_t:s0")
    labels = {}

    def getxattr(path, name, follow_symlinks):
        assert (name, follow_symlinks) == ("security.selinux", False)
        return labels.get(path, b"system_u:object_r:var_auth_t:s0\0")

    monkeypatch.setattr(os, "getxattr", getxattr)
    assert host.examine()["labels_right"]
    labels[host.path("spool", "state")] = b"system_u:object_r:var_spool_t:s0\0"
    found = host.examine()
    assert not found["labels_right"]
    assert "var_auth_t" in str(found["repairs"])
    labels.clear()
    host.command("matchpathcon", "echo system_u:object_r:var_spool_t:s0")
    assert not host.examine()["labels_right"]
    os.rmdir(host.path("run"))
    assert not host.examine()["labels_right"]


def test_rules_of_the_policy_are_taken_back(host):
    assert not host.examine(state="absent")["file_contexts"]
    directory = host.root / "selinux" / "targeted" / "contexts" / "files"
    directory.mkdir(parents=True)
    (host.root / "selinux" / "config").write_text("SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    (directory / "file_contexts.local").write_text("/var/spool(/.*)? x\n" + host.path("spool") + "(/.*)? x\n")
    found = host.examine(state="absent")
    assert (found["file_contexts"], found["problems"]) == (False, []), "SELinux is off, and its tools are missing"
    for tool in ("semanage", "restorecon", "matchpathcon"):
        host.command(tool, "")
    assert host.examine(state="absent")["file_contexts"]


# -- sshd, PAM, authorities, directories, deliveries --


def test_without_pam_exec_or_sshd_the_refusal_names_the_packages(host, monkeypatch):
    os.unlink(host.path("security", "pam_exec.so"))
    assert host.problem().startswith("pam_exec.so is missing: install the package")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "sshd was not found: install the OpenSSH server (openssh-server) first." in host.examine()["problems"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo usepam no", "sshd runs with UsePAM no (sshd -T)"),
        ("echo port 22", "was built without PAM"),
        ('[ "$1" = -G ] && echo usepam no', "UsePAM no"),
        ('[ "$1" = -G ] && echo usepam yes', None),
        ("exit 1", "sshd_config), so it opens no PAM session"),
    ],
)
def test_an_sshd_that_opens_no_sessions_is_refused(host, script, said):
    host.command("sshd", script)
    (host.root / "ssh" / "sshd_config").write_text("Port 22\n")
    found = host.examine()["problems"]
    assert len(found) == bool(said)
    assert (said or "") in str(found)


def listening(host, monkeypatch, *lines):
    """Each line is the start of a running sshd."""
    link = host.root / "bin" / "sshd-second"
    if not link.exists():
        link.symlink_to(host.path("bin", "sshd"))
    for line in lines:
        words = line.replace("sshd", host.path("bin", "sshd"), 1).split()
        monkeypatch.setattr(sshds, "_processes", lambda words=words: iter([(7, words[0], words)]))


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_sshd_with_a_service_that_is_not_listed_is_refused_unless_that_is_accepted(host, monkeypatch, state):
    listening(host, monkeypatch, "sshd-second -D")
    found = host.examine(state=state)
    if state == "absent":
        assert found["problems"] == []
        return
    (problem,) = found["problems"]
    assert "sshd uses the PAM service sshd-second, which does not run the notifier" in problem
    assert problem.endswith(
        "add sshd-second to ssh_login_notify_pam_services and run the role. To install anyway, set"
        " ssh_login_notify_accept: [unreported_sshd]."
    )
    assert host.examine(accept=["unreported_sshd"])["problems"] == []
    host.pam("sshd-second", "@include sshd\n")
    assert host.examine()["problems"] == []


def test_in_an_image_only_its_own_sshd_counts(host, monkeypatch):
    listening(host, monkeypatch, "sshd-second -D")
    assert host.examine(offline=True)["problems"] == []


def test_every_sshd_is_named_where_there_are_several(host, monkeypatch):
    found = host.examine()
    assert (found["sshds"], found["notes"]) == ([host.path("bin", "sshd")], [])
    sshd = host.path("bin", "sshd")
    processes = [(7, sshd, [sshd, "-D"]), (8, sshd, [sshd, "-D", "-f", "/x"])]
    monkeypatch.setattr(sshds, "_processes", lambda: iter(processes))
    found = host.examine()
    assert found["sshds"] == [sshd, sshd + " -f /x"]
    assert found["notes"] == [f"2 sshds accept logins on this host: {sshd}; {sshd} -f /x."]


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("OpenSSH_10.0p2 Debian-7", []),
        ("OpenSSH_8.0p1", []),
        ("OpenSSH_7.9p1 Debian-10", ["OpenSSH 7.9 does not tell PAM the connection (8.0 does)"]),
        ("OpenSSH_7.6p1", ["OpenSSH 7.6 does not tell PAM the connection (8.0 does)"]),
        ("OpenSSH_7.4p1", ["OpenSSH 7.4 does not tell PAM the connection", "7.4 does not tell PAM how the user"]),
    ],
)
def test_the_limits_of_an_old_sshd_are_a_note_and_not_a_refusal(host, version, says):
    host.command("sshd", f'[ "$1" = -V ] && echo {version} >&2; echo usepam yes')
    found = host.examine()
    assert found["problems"] == []
    assert len(found["notes"]) == len(says)
    assert all(said in note and note.endswith(".") for said, note in zip(says, found["notes"]))


def test_the_notes_quote_the_words_of_an_alert(host):
    host.command("sshd", '[ "$1" = -V ] && echo OpenSSH_7.4p1 >&2; echo usepam yes')
    address, key = host.examine()["notes"]
    assert f"`{ENGLISH('from.pam', address='').strip()}`" in address
    unknown = {"type": "unknown", "methods": [], "requester": ""}
    assert f"`{wording.authentication(unknown)}`" in key


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\n', True),
        ('ID="postmarketos"\nID_LIKE="alpine"\n', True),
        ("ID=debian\nHOME_URL=alpine\n", False),
        ("", False),
    ],
)
def test_alpine_is_refused_by_one_sentence(host, text, refused):
    (host.root / "os-release").write_text(text)
    assert host.examine()["problems"] == ([preflight.ALPINE] if refused else [])
    assert host.examine(state="absent")["problems"] == []


def test_a_host_without_useradd_is_refused_before_anything_is_changed(host, monkeypatch):
    monkeypatch.setenv("PATH", host.path("bin"))
    os.unlink(host.path("bin", "useradd"))
    assert "useradd is missing: install its package" in host.problem()
    assert host.examine(state="absent")["problems"] == []
    monkeypatch.setattr(preflight, "account", lambda: "right")
    assert host.examine()["problems"] == []


def test_the_cron_of_busybox_starts_nothing(host, monkeypatch):
    """It does not read /etc/cron.d."""
    monkeypatch.setenv("PATH", host.path("bin"))
    monkeypatch.setattr(preflight, "CRON_D", host.path("run"))
    host.command("busybox", "")
    os.symlink("busybox", host.path("bin", "crond"))
    assert host.examine()["scheduler"] == "none"


def test_an_sshd_whose_settings_nothing_can_tell_is_refused(host):
    host.command("sshd", "exit 1")
    assert "cannot be read, because `sshd -T` fails and there is no " in host.problem()
    assert host.examine(accept=["unreported_sshd"])["problems"] == []


def test_a_file_without_authorities_is_refused(host):
    assert "cannot be used" in host.problem(ca_file="/nonexistent.pem")
    (host.root / "ca.pem").write_text("no certificate")
    assert "must be a PEM file on the host" in host.problem(ca_file=host.path("ca.pem"))


def test_authorities_that_the_sender_can_not_read_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "HIDDEN", ("/root",))
    assert preflight.out_of_reach("/root/ca.pem") == "the sandbox of a unit hides /root"
    path = tmp_path / "ca.pem"
    path.write_text("")
    path.chmod(0o400)
    assert preflight.out_of_reach(str(path)) == ""
    os.chown(str(path), 65534, 65534)
    assert preflight.out_of_reach(str(path)) == f"root without capabilities has no permission for {path}"
    path.chmod(0o404)
    assert preflight.out_of_reach(str(path)) == ""


def test_a_directory_that_others_can_write_is_refused_unless_accepted(host, monkeypatch):
    shared = host.root / "shared"
    (shared / "spool").mkdir(parents=True)
    for directory in (shared, shared / "spool"):
        directory.chmod(0o777)
    monkeypatch.setattr(preflight, "SPOOL", str(shared / "spool"))
    monkeypatch.setattr(trust, "TRUSTED", (str(shared / "spool"),))
    found = [problem for problem in host.examine()["problems"] if host.path() in problem]
    assert len(found) == 1, "the spool itself is the role's to repair"
    assert f"Users other than root can write to {shared}, " in found[0]
    assert "set ssh_login_notify_accept: [writable_directories]." in found[0]
    assert host.examine(accept=["writable_directories"])["problems"] == []


@pytest.mark.parametrize(
    ("written", "delivered"),
    [
        ({"recent": [{"delivered_at": 1e10}, {"delivered_at": 4e9}]}, True),
        ({"recent": [{"delivered_at": 1.5}]}, False),
        ({"recent": []}, False),
        ({"recent": [{"delivered_at": "x"}]}, False),
        ([], False),
    ],
)
def test_a_proof_is_due_until_an_alert_was_delivered_since_the_last_change(host, written, delivered):
    (host.root / "spool" / "state" / "sender.json").write_text(json.dumps(written))
    assert host.examine()["delivered"] == delivered


@pytest.mark.parametrize(
    ("states", "delivered"),
    [
        ({"chat": {"recent": [{"delivered_at": 4e9}], "trouble": None}, "picky": {"recent": []}}, True),
        ({"chat": {"recent": [{"delivered_at": 4e9}]}, "dead": {"recent": [], "trouble": {"what": "503"}}}, False),
        ({"chat": {"recent": [{"delivered_at": 1.5}]}}, False),
        ({"chat": {"recent": []}, "picky": {}}, False),
        ({"chat": [], "picky": {"recent": [{"delivered_at": 4e9}]}}, True),
    ],
)
def test_with_several_channels_one_has_to_have_delivered_and_none_may_have_trouble(host, states, delivered):
    """The state of the spool's own queue lists alerts that were handed over to them as deliveries."""
    (host.root / "spool" / "state" / "sender.json").write_text('{"recent": [{"delivered_at": 4e9}]}')
    for name, state in states.items():
        path = host.root / "spool" / "channels" / name / "state" / "sender.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(state))
    assert host.examine()["delivered"] == delivered


@pytest.mark.parametrize("name", ["sender.py", "channels/slack.py"])
def test_a_proof_is_due_once_a_module_was_changed(host, name):
    (host.root / "spool" / "state" / "sender.json").write_text('{"recent": [{"delivered_at": 4e9}]}')
    module = host.root / "library" / "ssh_login_notify" / name
    module.parent.mkdir(parents=True)
    module.write_text("")
    os.utime(str(module), (3.9e9, 3.9e9))
    assert host.examine()["delivered"]
    os.utime(str(module), (4.1e9, 4.1e9))
    assert not host.examine()["delivered"]


def test_a_file_that_the_senders_account_planted_is_not_read(host):
    (host.root / "other").write_text('{"recent": [{"delivered_at": 4e9}]}')
    os.symlink(host.path("other"), host.path("spool", "state", "sender.json"))
    assert not host.examine()["delivered"]


def test_a_command_that_is_missing_or_hangs_says_nothing(monkeypatch):
    monkeypatch.setattr(preflight, "COMMAND_SECONDS", 0.2)
    assert preflight.run("/nonexistent/command") == (127, "")
    assert preflight.run("sleep", "5") == (127, "")
