# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshds: each sshd of a host is found and queried with its own options, and reported if its logins would be missed."""

import os

import pytest
from parts import needs_root
from ssh_login_notify import paths, sshd_start, sshds, trust

pytestmark = needs_root

# Answers as sshd 9.2 does. It records its arguments, and takes UsePAM and the ports from its options.
OLD = """
case "$*" in *-V*) echo "unknown option -- V"; echo "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19"; exit 1 ;; esac
case "$*" in *-T*) ;; *) exit 1 ;; esac
port=22
usepam=yes
while [ $# -gt 0 ]; do
    case $1 in
    -p) port=$2 ;;
    -f) sed -n 's/^UsePAM/usepam/p; s/^PAMServiceName/pamservicename/p; s/^Port/port/p' "$2"; usepam=; port= ;;
    esac
    shift
done
[ -z "$port" ] || echo "port $port"
[ -z "$usepam" ] || echo "usepam $usepam"
"""
# The newer one prints its PAM service as well.
NEW = OLD + "echo pamservicename sshd\n"


class Host:
    """A host below a directory: its processes, its programs, its PAM services and its systemd."""

    def __init__(self, root):
        self.root = root
        for name in ("bin", "pam.d", "vendor", "proc/self/ns", "ssh"):
            (root / name).mkdir(parents=True)
        os.symlink("pid:[1]", self.path("proc", "self", "ns", "pid"))
        self.sshd = self.program("sshd", OLD)
        self.pam("sshd", "session required pam_unix.so\n")
        self.pam("other", "session required pam_deny.so\n")

    def path(self, *names):
        return str(self.root.joinpath(*names))

    def pam(self, service, text):
        (self.root / "pam.d" / service).write_text(text)

    def program(self, name, script):
        path = self.root / "bin" / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return str(path)

    def configuration(self, name, text):
        path = self.root / "ssh" / name
        path.write_text(text)
        return str(path)

    def process(self, pid, cmdline, executable=None, uid=0, root="/", namespace="pid:[1]"):
        directory = self.root / "proc" / str(pid)
        (directory / "ns").mkdir(parents=True)
        words = cmdline if isinstance(cmdline, list) else [cmdline]
        (directory / "cmdline").write_text("\0".join(words) + "\0" * (1 if words is cmdline else 40))
        uids = "\t".join([str(uid)] * 4)
        (directory / "status").write_text(f"Name:\tx\nUid:\t{uids}\nGid:\t0\t0\t0\t0\n")
        os.symlink(executable or self.sshd, str(directory / "exe"))
        os.symlink(root, str(directory / "root"))
        os.symlink(namespace, str(directory / "ns" / "pid"))

    def listens(self, pid, line, **process):
        """Since OpenSSH 8.2 an sshd that listens has this title."""
        self.process(pid, f"sshd: {line} [listener] 0 of 10-100 startups", **process)

    def systemd(self, shown, templates=""):
        """Create a systemctl that shows these units, and the second text for instances of templates."""
        (self.root / "shown").write_text(shown)
        (self.root / "templates").write_text(templates)
        self.program("systemctl", f'case "$*" in *@*) cat {self.root}/templates ;; *) cat {self.root}/shown ;; esac')

    def titles(self):
        return [sshd.title for sshd in sshds.found()]

    def faults(self, *services):
        return [f"{fault.what}: {fault.mend}" for fault in sshds.faults(sshds.found(), services or ["sshd"])]


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(sshds, "PROC", host.path("proc"))
    monkeypatch.setattr(sshd_start, "CONFIGURATIONS", (host.path("ssh", "sshd_config"),))
    monkeypatch.setattr(sshds, "CONFIGURATION_DIRECTORY", host.path("ssh"))
    monkeypatch.setattr(paths, "PAM_DIRECTORIES", (host.path("pam.d"), host.path("vendor")))
    monkeypatch.setattr(paths, "SYSTEMD", host.path("no-systemd"))
    monkeypatch.setattr(trust, "open_directories", lambda _paths: [])  # everybody can write below /tmp
    monkeypatch.setenv("PATH", host.path("bin") + ":/usr/bin:/bin")
    return host


def test_one_sshd_that_uses_pam_and_the_service_is_reported(host):
    host.listens(7, host.sshd + " -D")
    assert host.titles() == [f"{host.sshd} on port 22"]
    assert host.faults() == []


def test_the_command_line_of_a_process_that_is_not_roots_is_not_read(host, monkeypatch):
    """Its owner can map it from a FUSE file, so that reading it never ends."""
    host.listens(7, host.sshd + " -D")
    host.listens(8, host.sshd + " -D -p 2222", uid=1000)
    read = []
    monkeypatch.setattr(sshds, "text_of", lambda path, *most, ask=sshds.text_of: read.append(path) or ask(path, *most))
    assert host.titles() == [f"{host.sshd} on port 22"]
    assert host.path("proc", "7", "cmdline") in read
    assert host.path("proc", "8", "cmdline") not in read


def test_the_options_of_a_process_that_is_no_sshd_are_not_read(host, monkeypatch):
    """Everybody can start sudo(8) with the name of an sshd, and a hundred thousand words would take long to read."""
    host.listens(7, host.sshd + " -D")
    host.process(8, ["/sshd", *["a"] * 30000], executable="/bin/sh")
    asked = []
    monkeypatch.setattr(
        sshd_start, "options", lambda words, ask=sshd_start.options: asked.append(len(words)) or ask(words)
    )
    assert sshds.starts() == [f"{host.sshd} {host.sshd} -D"]
    assert asked == [1]


def test_where_none_is_seen_the_one_in_the_path_is_asked(host):
    assert host.titles() == [f"{host.sshd} on port 22"]
    os.unlink(host.sshd)
    assert sshds.found() == []


@pytest.mark.parametrize("title", [True, False])
def test_a_second_sshd_without_pam_is_named(host, title):
    """Before OpenSSH 8.2 a process that listens has its arguments, and no title."""
    second = host.configuration("second", "Port 2222\nUsePAM no\n")
    for pid, words in ((7, [host.sshd, "-D"]), (8, [host.sshd, "-D", "-f", second])):
        if title:
            host.listens(pid, " ".join(words))
        else:
            host.process(pid, words)
    assert host.titles() == [f"{host.sshd} on port 22", f"{host.sshd} -f {second} on port 2222"]
    (fault,) = host.faults()
    assert fault == (
        f"{host.sshd} -f {second} on port 2222 runs with UsePAM no (sshd -T), so it opens no PAM session and no login"
        " is reported: set `UsePAM yes` in its configuration and reload sshd"
    )


def test_before_9_8_the_name_of_the_program_is_the_pam_service(host):
    """A symlink gives a second sshd its own PAM service. The kernel's path is the symlink's target."""
    link = host.path("bin", "sshd-second")
    os.symlink(host.sshd, link)
    host.listens(7, host.sshd + " -D")
    host.listens(8, f"{link} -D -p 2222")
    (fault,) = host.faults()
    assert fault == (
        f"{link} on port 2222 uses the PAM service sshd-second, which does not run the notifier, so these logins are"
        " not reported: add sshd-second to ssh_login_notify_pam_services and run the role"
    )
    assert host.faults("sshd", "sshd-second") == []


def test_from_9_8_on_it_is_the_setting_and_not_the_name(host):
    link = host.path("bin", "sshd-second")
    os.symlink(host.program("sshd", NEW), link)
    host.listens(8, f"{link} -D -p 2222")
    assert host.faults() == []
    second = host.configuration("second", "Port 2222\nUsePAM yes\nPAMServiceName sshd-2fa\n")
    host.listens(9, f"{link} -D -f {second}")
    (fault,) = host.faults()
    assert "-f" in fault
    assert "uses the PAM service sshd-2fa, which does not" in fault


@pytest.mark.parametrize(("version", "service"), [("10.0p2", "sshd"), ("9.8p1", "sshd"), ("9.7p1", "sshd-second")])
def test_where_no_sshd_answers_its_version_tells_which_of_the_two_it_is(host, version, service):
    other = host.program("sshd-second", f'[ "$1" = -V ] && echo OpenSSH_{version}; exit 1')
    host.configuration("sshd_config", "UsePAM yes\n")
    host.listens(8, other + " -D", executable=other)
    assert [sshd.services for sshd in sshds.found()] == [[service]]


def test_a_service_that_a_match_block_sets_counts(host):
    """servconf.c allows PAMServiceName in one."""
    host.program("sshd", NEW)
    host.configuration("more.conf", "Match User deploy\n  PAMServiceName sshd-deploy\n")
    host.configuration("sshd_config", "Include *.conf\nUsePAM yes\n")
    (fault,) = host.faults()
    assert "uses the PAM service sshd-deploy" in fault


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("@include sshd\n", True),
        ("session include sshd\n", True),
        ("session substack sshd\n", True),
        ("auth include sshd\nsession required pam_unix.so\n", False),
        ("session include missing\n", False),
        ("session include sshd-second\n", False),
        ("@include between\n", True),
    ],
)
def test_a_service_that_includes_a_listed_one_is_reported(host, text, reported):
    os.symlink(host.sshd, host.path("bin", "sshd-second"))
    host.listens(8, host.path("bin", "sshd-second") + " -D")
    host.pam("between", "session include sshd\n")
    host.pam("sshd-second", text)
    assert (host.faults() == []) == reported


def test_a_service_that_is_a_link_to_a_listed_one_is_reported(host):
    os.symlink(host.sshd, host.path("bin", "sshd-second"))
    os.symlink("sshd", host.path("pam.d", "sshd-second"))
    host.listens(8, host.path("bin", "sshd-second") + " -D")
    assert host.faults() == []


def test_a_service_without_a_file_is_the_one_that_pam_falls_back_to(host):
    os.symlink(host.sshd, host.path("bin", "sshd-second"))
    host.listens(8, host.path("bin", "sshd-second") + " -D")
    assert len(host.faults()) == 1
    assert host.faults("other") == []


@pytest.mark.parametrize(
    "process",
    [
        {"root": "/proc"},
        {"namespace": "pid:[2]"},
        {"uid": 1000},
        {"executable": "/bin/true"},
        {"executable": "/nonexistent/sshd"},
    ],
)
def test_an_sshd_of_a_container_a_chroot_or_a_user_is_not_this_hosts(host, process):
    """A program that only claims to be one is not either, because its starter chooses its arguments."""
    second = host.program("sshd-second", f"touch {host.root}/ran; {OLD}")
    host.listens(7, host.sshd + " -D")
    host.listens(8, second + " -D", **dict({"executable": second}, **process))
    assert host.titles() == [f"{host.sshd} on port 22"]
    assert not os.path.exists(host.path("ran"))


def test_a_program_that_others_could_exchange_is_not_run_but_its_files_are_read(host, monkeypatch):
    monkeypatch.setattr(trust, "open_directories", lambda asked: [path for path in asked if path.endswith("second")])
    second = host.program("sshd-second", f"touch {host.root}/ran; {OLD}")
    path = host.configuration("second", "Port 2222\nUsePAM no\n")
    host.listens(8, f"{second} -D -f {path}", executable=second)
    (found,) = sshds.found()
    assert (found.title, found.use_pam, found.version()) == (f"{second} -f {path} on port 2222", "no", None)
    assert not os.path.exists(host.path("ran"))


def test_the_executable_counts_and_not_the_arguments(host):
    other = host.program("evil-sshd", f"touch {host.root}/ran")
    host.listens(8, other + " -D")
    (found,) = sshds.found()
    assert (found.executable, found.use_pam) == (host.sshd, "yes")
    assert not os.path.exists(host.path("ran"))


@pytest.mark.parametrize("name", ["sshd.pam", "hpnsshd", "gsisshd", "secure-shell"])
def test_an_sshd_with_another_name_is_recognized_by_its_contents(host, name):
    other = host.program(name, OLD + "# /etc/ssh/sshd_config\n")
    host.listens(8, other + " -D", executable=other)
    (found,) = sshds.found()
    assert found.services == [name]


def test_an_update_that_has_exchanged_the_file_hides_no_sshd(host):
    host.listens(8, host.sshd + " -p 2222", executable=host.sshd + " (deleted)")
    assert host.titles() == [f"{host.sshd} on port 2222"]


@pytest.mark.parametrize(
    "cmdline",
    [
        ["{}", "-D", "-R"],
        ["{}", "-T"],
        ["{}", "-t"],
        ["/bin/grep", "sshd"],
        ["grep", "sshd"],
        "sshd: ada [priv]",
        "sshd: ada@pts/0",
        "sshd-session: ada [priv]",
        "sshd: [accepted]",
        [""],
    ],
)
def test_a_process_that_accepts_no_logins_is_ignored(host, cmdline):
    host.process(8, [word.format(host.sshd) for word in cmdline] if isinstance(cmdline, list) else cmdline)
    host.listens(7, host.sshd + " -p 2222")
    assert host.titles() == [f"{host.sshd} on port 2222"]


def test_it_is_asked_with_the_options_of_its_start_and_no_others(host):
    host.program("sshd", f'echo "$0 $*" >> {host.root}/asked; exit 1')
    line = "-D -e -f /x/second -o UsePAM no -p 22 -oPort=23 -4 -h /x/key -E /x/log -q"
    host.listens(8, f"{host.sshd} {line}")
    (found,) = sshds.found()
    asked = (host.root / "asked").read_text().splitlines()[0]
    options = "-f /x/second -o UsePAM no -p 22 -o Port=23 -4 -h /x/key"
    assert asked == f"{host.sshd} {options} -T -C {sshds.CONNECTION}"
    assert (found.use_pam, found.configuration) == (None, "/x/second")


def test_of_settings_that_nothing_can_tell_nothing_is_said(host):
    host.program("sshd", "exit 1")
    assert [sshd.use_pam for sshd in sshds.found()] == [None]
    assert host.faults() == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("UsePAM yes\n", "yes"), ("usepam=true\nUsePAM no\n", "yes"), ('UsePAM "no"\n', "no"), ("# UsePAM yes\n", "no"),
        ("Match user x\nUsePAM yes\n", "no"), ("Include {ssh}/*.conf\nUsePAM no\n", "yes"),
        ("Include {ssh}/sshd_config\nUsePAM no\n", "no"), ("Include\nUsePAM yes\n", "yes"),
        ("Include *.conf\n", "yes"), ("Match all\nInclude *.conf\n", "no"),
    ],
)  # fmt: skip
def test_sshds_files_are_read_as_sshd_reads_them(host, text, value):
    """If no sshd answers, as in an image without host keys."""
    host.program("sshd", "exit 1")
    host.configuration("a.conf", "UsePAM yes\nMatch user x\nBanner none\n")
    host.configuration("sshd_config", text.format(ssh=host.path("ssh")))
    (found,) = sshds.found()
    assert (found.use_pam, found.source) == (value, host.path("ssh", "sshd_config"))


def test_the_options_of_a_start_come_before_the_files(host):
    host.program("sshd", "exit 1")
    path = host.configuration("second", "UsePAM yes\n")
    host.listens(8, f"{host.sshd} -o UsePAM=no -f {path}")
    assert [sshd.use_pam for sshd in sshds.found()] == ["no"]


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u9, OpenSSL 3.0.19", (9, 2)),
        ("unknown option -- V\nOpenSSH_7.4p1, OpenSSL 1.0.2k-fips  26 Jan 2017\nusage: sshd", (7, 4)),
        ("OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.4", (10, 0)),
        ("dropbear", None),
    ],
)
def test_each_sshd_says_its_version(host, said, version):
    host.program("sshd", f"echo '{said}' >&2\nexit 1")
    assert [sshd.version() for sshd in sshds.found()] == [version]


# -- units --

SERVICE = """\
Id={name}
ActiveState={state}
MainPID={pid}
ExecStart={{ path={path} ; argv[]={words} ; ignore_errors=no ; start_time=[n/a] ; pid=0 }}
Environment={environment}
EnvironmentFiles={file} (ignore_errors=yes)
RootDirectory={root}
"""
SOCKET = "Id={name}\nActiveState=active\nAccept={accept}\nTriggers={triggers}\n"


@pytest.fixture
def units(host, monkeypatch):
    monkeypatch.setattr(paths, "SYSTEMD", host.path())

    def service(name, words, state="active", pid=0, environment="", file="/nonexistent", root=""):
        words = words.replace("sshd", host.sshd, 1)
        return SERVICE.format(**dict(locals(), path=host.sshd))

    return service


def test_a_service_is_found_where_proc_shows_no_process(host, units):
    """As in the sandbox of the sender's unit (ProtectProc=)."""
    host.systemd(units("cron.service", "sshd -V") + "\n" + units("second.service", "sshd -D -p 2222"))
    assert host.titles() == [f"{host.sshd} (second.service)"]


def test_a_service_whose_process_is_seen_is_no_second_sshd(host, units):
    host.listens(8, host.sshd + " -D -p 2222")
    host.systemd(units("second.service", "sshd -D $UNKNOWN", pid=8))
    assert host.titles() == [f"{host.sshd} on port 2222"]


def test_the_variables_of_a_unit_are_put_in(host, units):
    file = host.configuration("default", "# SSHD=-p 1\nSSHD_OPTS='-p 2222 -o \"UsePAM no\"'\n\nX=y\n")
    host.systemd(units("ssh.service", "sshd -D $SSHD_OPTS -h ${KEY} $NOTHING", file=file, environment='KEY=/k "A=b c"'))
    (found,) = sshds.found()
    assert found.options == [("-p", "2222"), ("-o", "UsePAM no"), ("-h", "/k")]


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_service_that_does_not_run_is_none_unless_a_socket_starts_it(host, units, state):
    service = units("ssh.service", "sshd -D -p 2222", state=state)
    host.systemd(service)
    assert host.titles() == [f"{host.sshd} on port 22"]
    host.systemd(service + "\n" + SOCKET.format(name="ssh.socket", accept="no", triggers="ssh.service"))
    assert host.titles() == [f"{host.sshd} (ssh.service)"]


def test_a_socket_that_starts_an_sshd_for_each_connection_is_found(host, units):
    instance = units(f"second{sshds.INSTANCE}.service", "sshd -i -p 2222", state="inactive")
    host.systemd(SOCKET.format(name="second.socket", accept="yes", triggers=""), instance)
    assert host.titles() == [f"{host.sshd} (second@.service)"]


def test_a_service_with_a_root_of_its_own_is_not_this_hosts(host, units):
    host.systemd(units("second.service", "sshd -D -p 2222", root="/srv/chroot"))
    assert host.titles() == [f"{host.sshd} on port 22"]


def test_each_has_a_lasting_name(host):
    host.listens(7, host.sshd + " -D")
    host.listens(8, host.sshd + " -D -p 2222 -o UsePAM=yes")
    assert [sshd.key for sshd in sshds.found()] == [host.sshd, f"{host.sshd} -p2222 -oUsePAM=yes"]


def test_how_each_sshd_was_started_is_told_without_asking_it(host):
    """An sshd that systemd or inetd has started for one connection does not listen, and comes and goes."""
    host.program("sshd", "exit 99")
    host.listens(7, host.sshd + " -D")
    host.listens(8, host.sshd + " -D -p 2222")
    host.process(9, [host.sshd, "-i"])
    host.process(10, "sshd: ada [priv]")
    assert sshds.starts() == [f"{host.sshd} {host.sshd} -D", f"{host.sshd} {host.sshd} -D -p 2222"]


def test_lines_of_match_blocks_and_all_files_are_known(host):
    """A block that begins in an included file ends with that file. A block around the Include continues in it."""
    host.configuration("first.conf", "Port 22\nMatch User eve\n  PermitRootLogin yes\n")
    host.configuration("second.conf", "X11Forwarding yes\n")
    text = "Include first.conf\nUsePAM yes\nMatch Address 192.0.2.0/24\nInclude second.conf\nMatch all\nBanner none\n"
    host.configuration("sshd_config", text)
    host.listens(7, host.sshd + " -D")
    (sshd,) = sshds.found()
    assert sshd.matched() == [
        ("User eve", "permitrootlogin", "yes"),
        ("Address 192.0.2.0/24", "x11forwarding", "yes"),
        ("all", "banner", "none"),
    ]
    names = ("sshd_config", "first.conf", "second.conf")
    assert set(sshd.files()) == {host.sshd, host.path("ssh"), *(host.path("ssh", name) for name in names)}


def test_an_include_that_includes_itself_ends(host):
    host.configuration("sshd_config", "Match all\nPort 22\nInclude sshd_config\n")
    host.listens(7, host.sshd + " -D")
    (sshd,) = sshds.found()
    assert len(sshd.matched()) == sshds.MOST_INCLUDES + 1


def test_settings_are_those_that_sshd_tells_of_a_running_one(host):
    host.listens(7, host.sshd + " -D")
    (sshd,) = sshds.found()
    assert (sshd.settings, sshd.is_running) == ([["port", "22"], ["usepam", "yes"]], True)
    host.program("sshd", "case \"$*\" in *-G*) echo port 22; exit 0 ;; esac; exit 1")
    (sshd,) = sshds.found()
    assert sshd.settings == sshds.NOTHING, "-G does not answer for the same connection"
    (sshd,) = sshds.usual()
    assert not sshd.is_running
