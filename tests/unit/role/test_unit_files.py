# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each host gets units that its systemd can read and run: from 219 (Amazon Linux 2) to the newest."""

import re

import pytest
from ansible_collections.loginwatch.pam.plugins.plugin_utils.systemd_units import SETTINGS, fitted, sandbox, setting_of

from tests.lab.units import NAMES, ROLE, templates, units

# This does not depend on the version of Ansible.
pytestmark = pytest.mark.whole
NEWEST = 9999
# The release that introduced each setting, by systemd's own NEWS. The versions are those of widespread distributions.
AMAZON_LINUX_2, UBUNTU_1804, EL_8, UBUNTU_2004, DEBIAN_11, DEBIAN_12, DEBIAN_13 = 219, 237, 239, 245, 247, 252, 257
MISSING_FROM = {
    DEBIAN_12: set(),
    DEBIAN_11: {"TriggerLimitIntervalSec"},
    UBUNTU_2004: {"ProtectProc", "ProcSubset"},
    EL_8: {"ProtectKernelLogs", "ProtectClock", "ProtectHostname", "RestrictSUIDSGID"},
    UBUNTU_1804: {"PrivateMounts", "SystemCallFilter", "SystemCallErrorNumber"},
    AMAZON_LINUX_2: {
        "KeyringMode", "LockPersonality", "LogLevelMax", "MemoryDenyWriteExecute", "ProtectControlGroups",
        "ProtectKernelModules", "ProtectKernelTunables", "RandomizedDelaySec", "ReadWritePaths", "RemainAfterElapse",
        "RemoveIPC", "RestrictNamespaces", "RestrictRealtime", "RuntimeMaxSec", "StartLimitIntervalSec",
    },
}  # fmt: skip
# Replaced by another name, which newer versions of systemd use.
RENAMED = {"StartLimitInterval"}


def settings(texts):
    """Return the names of all settings in texts of units."""
    return {name for text in texts for name in re.findall(r"^(\w+)=", text, re.M)}


def test_what_waits_is_tried_again_within_a_minute():
    """A failed run starts the timer, which elapses at the latest after all of these together (systemd.timer(5))."""
    timer = dict(re.findall(r"^(\w+)=(\d+)s?$", templates()["ssh-login-notify-retry.timer"], re.M))
    assert sum(int(timer[name]) for name in ("OnActiveSec", "RandomizedDelaySec", "AccuracySec")) <= 60


def test_all_templates_of_units_are_in_the_list():
    suffixes = (".service.j2", ".timer.j2", ".path.j2")
    found = [path.name for path in (ROLE / "templates").iterdir() if path.name.endswith(suffixes)]
    assert sorted(found) == sorted(f"{name}.j2" for name in NAMES)


def test_the_table_has_the_settings_of_the_templates_and_no_others():
    assert {name.partition("=")[0] for name in SETTINGS} == settings(templates().values())


@pytest.mark.parametrize("version", sorted(MISSING_FROM))
def test_a_host_gets_what_its_systemd_knows_and_all_of_it(version):
    missing = set().union(*(names for newer, names in MISSING_FROM.items() if newer >= version))
    renamed = set() if version < 230 else RENAMED
    assert settings(units(version).values()) == settings(templates().values()) - missing - renamed


def test_a_value_that_came_later_than_its_setting_is_left_out_as_well():
    assert "ProtectSystem=strict\n" not in units(231)["ssh-login-notify.service"]
    assert "ProtectSystem=full\n" in units(231)["ssh-login-notify-follow.service"]
    assert "ProtectSystem=strict\n" in units(232)["ssh-login-notify.service"]


def test_before_230_a_start_limit_has_its_old_name_and_place():
    (service,) = re.findall(r"\[Service\]\n.*", units(AMAZON_LINUX_2)["ssh-login-notify.service"], re.S)
    assert "\nStartLimitInterval=0\n" in service


def test_only_refused_settings_are_left_out():
    whole, without = units(DEBIAN_12), units(DEBIAN_12, ["namespaces"])
    for name in NAMES:
        left_out = [line for line in whole[name].splitlines() if line not in without[name].splitlines()]
        parts = {setting_of(line).part for line in left_out if setting_of(line)}
        assert parts <= {"namespaces"}
    confined = sandbox(without.values())
    assert {row["part"] for row in confined} == {"system calls", "capabilities"}


def test_a_service_without_any_sandbox_still_runs_as_it_should():
    text = units(DEBIAN_12, ["namespaces", "system calls", "capabilities"])["ssh-login-notify.service"]
    assert sandbox([text]) == []
    assert {"ExecStart", "NoNewPrivileges", "Restart", "RestartSec", "UMask"} <= settings([text])


@pytest.mark.parametrize(("file", "more"), [("", ""), ("/var/lib/node_exporter/a.prom", " -/var/lib/node_exporter")])
@pytest.mark.parametrize("name", ["ssh-login-notify.service", "ssh-login-notify-tamper.service"])
def test_the_sender_may_write_metrics_into_their_directory_alone(name, file, more):
    text = units(NEWEST, __ssh_login_notify_metrics_file=file)[name]
    (paths,) = re.findall(r"^ReadWritePaths=(.*)$", text, re.M)
    assert paths == "-/var/spool/ssh-login-notify -/run/ssh-login-notify" + more


def test_a_comment_stays_with_its_settings():
    text = "[Service]\n# Of a.\nProtectClock=yes\n# Of b.\nType=simple\n\n# Of c.\nProtectProc=invisible\nUMask=0077\n"
    assert fitted(text, NEWEST) == text
    assert fitted(text, 239) == "[Service]\n# Of b.\nType=simple\n\n# Of c.\nUMask=0077\n"
    assert fitted("[Service]\nType=simple\n\n# Of a.\nProtectClock=yes\n\nUMask=0077\n", 239) == (
        "[Service]\nType=simple\n\nUMask=0077\n"
    )


def test_a_setting_that_nobody_has_looked_up_is_an_error():
    with pytest.raises(KeyError, match="PrivateBPF"):
        fitted("[Service]\nPrivateBPF=yes\n", NEWEST)


def test_the_watch_against_tampering_comes_twice_a_minute_and_by_cron_each_minute():
    assert "\nOnCalendar=*:*:0/30\n" in units(NEWEST)["ssh-login-notify-tamper.timer"]
    cron = (ROLE / "templates" / "cron.j2").read_text(encoding="utf-8").splitlines()
    assert "* * * * * root {{ __ssh_login_notify_program }} tamper-check > /dev/null 2>&1" in cron


def test_the_watch_has_the_sandbox_of_the_sender_but_sees_processes():
    """It can become the sender, and it reads sshd's processes."""
    sender, watch = (
        {row["setting"] for row in sandbox([units(NEWEST)[name]])}
        for name in ("ssh-login-notify.service", "ssh-login-notify-tamper.service")
    )
    capabilities = "CapabilityBoundingSet=CAP_SETUID CAP_SETGID"
    assert sender - watch == {"ProtectProc=invisible", "ProcSubset=pid", capabilities}
    assert watch - sender == {f"{capabilities} CAP_SYS_PTRACE"}


def test_cron_looks_into_the_queue_of_each_channel_every_minute():
    lines = (ROLE / "templates" / "cron.j2").read_text(encoding="utf-8").splitlines()
    (every_minute,) = [line for line in lines if line.startswith("* * * * * root for ")]
    looked_at = every_minute.partition("for alert in ")[2].partition(";")[0].split("{{ ")[1:]
    spool, channels, overflow = (words.strip() for words in looked_at)
    assert spool == "__ssh_login_notify_spool }}/outgoing/[0-9]*"
    assert channels == "__ssh_login_notify_spool }}/channels/*/outgoing/[0-9]*"
    assert overflow == "__ssh_login_notify_overflow }}/[0-9]*"
