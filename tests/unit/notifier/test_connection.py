# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""connection: every way in which a connection's processes show its type, and in which others imitate them."""

import os

import parts
import pytest
from ssh_login_notify import session_child, titles
from ssh_login_notify.command_line import TRANSFER_NAMES
from ssh_login_notify.connection import Connection
from ssh_login_notify.login_types import (
    COMMAND,
    COMMAND_OVER,
    GIT,
    INTERACTIVE,
    RSYNC,
    SCP,
    SFTP_OR_SCP,
    SOMETHING_OVER,
    TERMINAL_OVER,
    TRANSFERS,
    TUNNEL,
    UNKNOWN,
    seriousness,
)
from ssh_login_notify.processes import Processes

MONITOR, SERVER, CHILD = 100, 101, 102
START = 1000 + MONITOR
SFTP = "/usr/lib/openssh/sftp-server"


class Host:
    """A host's processes, and a connection on it that is observed."""

    def __init__(self, root, program="sshd", user="deploy", typed=None, room=0):
        """user: pw_name, as in a title. typed: the client's input. room: for a title (titles.may_be_cut)."""
        self.program, self.user, self.room = program, user, room
        self.proc = parts.FakeProc(root)
        self.proc.add(1, 0, "systemd", "/sbin/init")
        self.proc.add(50, 1, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups")
        self.proc.add(MONITOR, 50, program, self.title(f"{typed or user} [priv]"), room=room)
        self.connection = self.connect(Processes(str(root)))

    def title(self, text):
        return f"{self.program}: {text}"[: self.room - titles.UNUSED_ROOM_BYTES if self.room else None]

    def connect(self, processes):
        return Connection(processes, MONITOR, START, self.program[:15].encode())

    def serve(self, ending="@notty", pid=SERVER, parent=MONITOR):
        """Set the session's server, which the title names."""
        more = {"room": self.room, "uid": 1000, "executable": f"/usr/sbin/{self.program}"}
        self.proc.add(pid, parent, self.program, self.title(self.user + ending), **more)

    def run(self, *arguments, **more):
        forked = more.get("name") == self.program
        more.setdefault("executable", f"/usr/sbin/{self.program}" if forked else "/usr/bin/bash")
        self.proc.add(CHILD, more.pop("parent", SERVER), more.pop("name", "bash"), *arguments, **more)

    def look(self):
        return self.connection.look(1.0)


@pytest.fixture(params=["sshd", "sshd-session", "sshd-session.pam"], ids=["Debian 12", "Debian 13", "Alpine"])
def host(request, tmp_path):
    return Host(tmp_path, request.param)


def test_a_login_that_has_no_server_yet_is_looked_at_again(host):
    assert host.look() is None
    assert host.connection.last_look() == UNKNOWN


def test_a_login_shell_is_interactive(host):
    host.serve("@pts/0")
    assert host.look() is None
    host.run("-bash")
    assert host.look() == INTERACTIVE


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("true", "SSH (command: true)"),
        ("apt-get install --password=secret x", "SSH (command: apt-get)"),
        ("rsync --server -logDtpre.iLsfxCIvu . /srv/x", RSYNC),
        ("scp -t /srv", SCP),
        (SFTP, SFTP_OR_SCP),
        ("git-upload-pack '/srv/x.git'", GIT),
    ],
)
def test_a_command_that_the_shell_was_given_tells_the_kind(host, command, found):
    host.serve()
    host.run("bash", "-c", command)
    assert host.look() == found


def in_namespaces(host, servers, childs, *arguments, **more):
    host.serve()
    host.proc.add(SERVER, MONITOR, host.program, host.title(host.user + "@notty"), mount_namespace=servers)
    (host.proc.root / str(SERVER) / "exe").symlink_to(f"/usr/sbin/{host.program}")
    host.run(*arguments, mount_namespace=childs, **more)
    return host.look()


@pytest.mark.parametrize(
    ("arguments", "more", "transfer"),
    [
        ((SFTP,), {"name": "sftp-server", "executable": SFTP}, SFTP_OR_SCP),
        (("rsync", "--server", "."), {"name": "rsync", "executable": "/usr/bin/rsync"}, RSYNC),
        (("bash", "-c", "scp -t x"), {"name": "bash", "executable": "/usr/bin/bash"}, SCP),
    ],
)
@pytest.mark.parametrize(
    "namespaces", [("mnt:[1]", "mnt:[2]"), ("mnt:[2]", "mnt:[2]"), (None, "mnt:[2]"), ("mnt:[1]", None)]
)
def test_a_file_that_only_the_user_sees_at_its_path_is_not_that_file(host, arguments, more, transfer, namespaces):
    """unshare -rm; mount --bind evil /usr/lib/openssh/sftp-server; exec /usr/lib/openssh/sftp-server"""
    found = in_namespaces(host, *namespaces, *arguments, **more)
    assert (found == transfer) == (namespaces != ("mnt:[1]", "mnt:[2]"))
    assert found.startswith("SSH (command") or found == transfer


def test_sshds_own_file_counts_only_where_sshd_sees_it(host):
    title = host.title("deploy@internal-sftp")
    assert in_namespaces(host, "mnt:[1]", "mnt:[1]", title, name=host.program) == SFTP_OR_SCP
    host.proc.remove(CHILD)
    host.run(title, name=host.program, mount_namespace="mnt:[2]")
    assert host.look() != SFTP_OR_SCP


PADDING = 70000 * "a"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bash", "-c", "rsync --server . " + PADDING + "; id"],
        ["rsync", "--server", ".", PADDING, "--daemon"],
        ["bash", "-c", "rsync --server . x", PADDING],
    ],
)
def test_arguments_that_are_too_long_to_read_are_not_a_transfer(host, arguments):
    host.serve()
    host.run(*arguments, executable="/usr/bin/" + arguments[0])
    assert host.look() in ("SSH (command: rsync)", "SSH (command: rsync and more)")


def test_a_script_is_named_and_not_its_interpreter(host):
    """The kernel starts the interpreter with the script's path (execve(2))."""
    host.serve()
    host.run("/bin/bash", "./deploy.sh", "secret", name="deploy.sh")
    assert host.look() == "SSH (command: deploy.sh)"


@pytest.mark.parametrize(
    ("arguments", "executable", "found"),
    [
        (["rsync", "--server", "-e.", ".", "x"], "/usr/bin/rsync", RSYNC),
        (["scp", "-f", "x"], "/usr/bin/scp", SCP),
        ([SFTP], SFTP, SFTP_OR_SCP),
        (["git-upload-pack", "x.git"], "/usr/bin/git", GIT),
        (["sleep", "9"], "/usr/bin/sleep", "SSH (command: sleep)"),
        (["rsync", "--server", "."], None, RSYNC),  # hidden by SELinux or hidepid
    ],
)
def test_a_program_that_took_the_shells_place_tells_the_kind(host, arguments, executable, found):
    host.serve()
    host.run(*arguments, name="x", executable=executable)
    assert host.look() == found


def test_the_internal_sftp_server_is_a_child_with_a_title_of_its_own(host):
    title = f"{host.program}: deploy@internal-sftp"
    sshd = f"/usr/sbin/{host.program}"
    host.proc.add(SERVER, MONITOR, host.program, f"{host.program}: deploy@notty", executable=sshd)
    host.run(f"{host.program}: deploy@notty", name=host.program, executable=sshd)
    assert host.look() is None
    host.run(title, name="innocent", executable="/home/deploy/innocent")
    assert host.look() == "SSH (command)", "what looks like sshd and is not has something to hide"
    host.run("./sshd", name="sshd", executable="/home/deploy/sshd")
    assert host.look() == "SSH (command)"
    # exec -a '…@internal-sftp' /usr/sbin/sshd -r -f @internal-sftp
    host.run(title, "-r", "-f", "@internal-sftp", name=host.program, executable=sshd)
    assert host.look() is None
    host.run(title, name=host.program, executable=sshd)
    assert host.look() == SFTP_OR_SCP


def test_the_helpers_of_pam_are_not_the_session(host):
    host.proc.add(90, MONITOR, "run-parts", "run-parts", "--lsbsysinit", "/etc/update-motd.d")
    host.proc.add(91, 90, "sh", "sh", "-c", "uname -a")
    assert host.look() is None
    host.serve("@pts/0")
    assert host.look() is None
    host.run("-bash")
    assert host.look() == INTERACTIVE


def test_a_child_that_has_not_started_its_program_has_no_type(host):
    host.serve()
    host.run(f"{host.program}: deploy@notty", name=host.program)
    assert host.look() is None
    host.run("bash", "-c", "scp -t x")
    assert host.look() == SCP


def test_a_child_that_is_over_is_not_guessed_by_its_name(host):
    host.serve()
    host.run(name="rsync")
    assert host.look() is None
    assert host.connection.last_look() == UNKNOWN


def test_nothing_is_looked_for_below_a_server_without_a_session(host, monkeypatch):
    """A tunnel costs one read of its title. A session shows in the title before anything runs for it."""
    host.serve("")
    assert host.look() is None
    asked = []
    children = Processes.children
    monkeypatch.setattr(Processes, "children", lambda self, pid: asked.append(pid) or children(self, pid))
    assert host.look() is None
    assert asked == []
    host.serve("@notty")
    host.run("bash", "-c", "scp -t x")
    assert host.look() == SCP
    assert asked == [SERVER]


@pytest.mark.parametrize("helper", ["[net]", "[pam]", "[priv]"])
def test_other_processes_of_sshd_are_not_the_sessions_server(host, helper):
    host.serve(" " + helper)
    host.run("-bash")
    assert host.look() is None


def test_a_connection_that_opens_no_session_is_a_tunnel(host):
    host.serve("")
    assert host.look() is None
    assert host.connection.last_look() == TUNNEL


def test_a_session_that_has_shown_nothing_is_unknown_and_no_tunnel(host):
    host.serve("@notty")
    host.run()  # something is there, and can't be seen
    assert host.look() is None
    assert host.connection.last_look() == UNKNOWN


def test_a_session_that_is_over_in_a_connection_that_stays_was_something(host):
    """As `ssh -M` leaves it. It can open others."""
    host.serve("@notty")
    assert host.look() is None
    assert host.connection.last_look() == SOMETHING_OVER


class Exits:
    """The kernel's reports: pid and name by parent."""

    def __init__(self, **ended):
        self.ended = {int(parent[1:]): children for parent, children in ended.items()}

    def of(self, parent):
        return self.ended.get(parent, [])


def over(host, ending, tmp_path, **ended):
    """Return the type of a connection whose title was seen, unless that is None, and which had ended then."""
    host.connection = host.connect(Processes(str(tmp_path), Exits(**ended)))
    if ending is not None:
        host.serve(ending)
        assert host.look() is None
        host.proc.remove(SERVER)
    host.proc.remove(MONITOR)
    return host.look()


@pytest.mark.parametrize(
    ("ending", "found"),
    [("@notty", SOMETHING_OVER), ("@pts/0", TERMINAL_OVER), ("", UNKNOWN), (None, UNKNOWN)],
)
def test_for_a_session_that_was_over_at_once_only_the_title_is_certain(host, tmp_path, ending, found):
    assert over(host, ending, tmp_path) == found


@pytest.mark.parametrize("ending", ["@notty", "@pts/0", None])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"true", "SSH (command: true)"),
        (b"bash", COMMAND_OVER),  # a builtin, or a missing program
        (b"dash", COMMAND_OVER),
        (b"unattended-upgr", COMMAND_OVER),  # as much of it as the kernel keeps
        (b"hunter2 \xff", COMMAND),
        *((name, SOMETHING_OVER) for name in TRANSFER_NAMES),
    ],
)
def test_a_session_that_was_over_at_once_is_named_by_the_kernels_record(host, tmp_path, ending, name, found):
    ended = {f"p{MONITOR}": [(SERVER, host.program[:15].encode())], f"p{SERVER}": [(CHILD, name)]}
    assert over(host, ending, tmp_path, **ended) == found


def test_no_name_that_a_process_can_choose_makes_it_a_transfer(host, tmp_path):
    for name in (b"sftp-server", b"scp", b"rsync", b"git-upload-pack", b"sshd: a@internal"):
        ended = {f"p{SERVER}": [(CHILD, name)]}
        assert over(Host(tmp_path), "@notty", tmp_path, **ended) not in TRANSFERS


def test_ended_children_of_other_processes_are_not_the_session(host, tmp_path):
    helpers = [(90, b"run-parts"), (91, b"uname"), (SERVER, host.program[:15].encode())]
    ended = {f"p{MONITOR}": helpers, "p90": [(91, b"uname")], f"p{SERVER}": [(CHILD, host.program[:15].encode())]}
    assert over(host, "@notty", tmp_path, **ended) == SOMETHING_OVER
    assert over(Host(tmp_path, host.program), None, tmp_path, **ended) == UNKNOWN


def test_roots_monitor_that_serves_itself_has_children_of_pams_which_tell_nothing(tmp_path):
    host = Host(tmp_path, user="root")
    host.connection = host.connect(Processes(str(tmp_path), Exits(p100=[(90, b"run-parts")])))
    host.serve("@notty", pid=MONITOR, parent=50)
    assert host.look() is None
    host.proc.remove(MONITOR)
    assert host.look() == SOMETHING_OVER


def test_a_title_of_a_stranger_who_has_the_pid_proves_nothing(host):
    host.proc.add(MONITOR, 50, host.program, host.program + ": eve [priv]", start=START + 1)
    host.serve("@notty")
    assert host.look() is None
    host.proc.remove(SERVER)
    assert host.look() == UNKNOWN


def test_ended_children_of_a_process_with_a_reused_pid_are_not_the_session(host, tmp_path):
    host.proc.add(MONITOR, 50, host.program, host.program + ": eve [priv]", start=START + 1)
    ended = Exits(p100=[(SERVER, host.program[:15].encode())], p101=[(CHILD, b"secret-of-eve")])
    assert host.connect(Processes(str(tmp_path), ended)).look(1.0) == UNKNOWN


def test_a_session_that_begins_late_in_a_connection_is_seen(host):
    host.serve("")
    assert host.look() is None
    host.serve("@notty")
    host.run("bash", "-c", "true")
    assert host.look() == "SSH (command: true)"


@pytest.mark.parametrize("user", ["ada@example.org", "a@b@c", "EXAMPLE\\ada", "internal-sftp", "[priv]"])
def test_a_user_whose_name_holds_an_at_is_no_session_by_that(tmp_path, user):
    host = Host(tmp_path, user=user)
    host.serve("")
    assert host.look() is None
    assert host.connection.last_look() == TUNNEL
    host.serve("@pts/3")
    assert host.look() is None
    host.run(name="zsh")
    assert host.connection.last_look() == UNKNOWN
    host.run("-zsh")
    assert host.look() == INTERACTIVE


# The client's input, and pw_name as in sshd's title: SSSD, winbind, and a local user.
SPELLINGS = [
    ("jdoe", "jdoe@corp.example.com"),
    ("JDoe@corp.example.com", "jdoe"),
    ("JDoe@corp.example.com", "jdoe@corp.example.com"),
    ("jdoe@CORP", r"CORP\\jdoe"),
    (r"CORP\\jdoe", r"CORP\\jdoe"),
    (r"corp\\john doe", r"CORP\\john doe"),
    (r"j\303\266rg", r"j\303\266rg@corp"),
]


@pytest.mark.parametrize(("typed", "user"), SPELLINGS)
@pytest.mark.parametrize("program", ["sshd", "sshd-session"])
def test_a_user_may_have_several_spellings(tmp_path, program, typed, user):
    host = Host(tmp_path, program, user, typed)
    host.serve("")
    assert host.look() is None
    assert host.connection.last_look() == TUNNEL
    host.serve("@notty")
    title = f"{program}: {user}@internal-sftp"
    host.run(title, name=program, executable=f"/usr/sbin/{program}")
    assert host.look() == SFTP_OR_SCP
    host.serve("@pts/0,pts/1")
    host.run("-bash")
    assert host.look() == INTERACTIVE


def test_only_the_servers_own_user_has_an_internal_sftp_server(host):
    host.serve("@notty")
    title = f"{host.program}: eve@internal-sftp"
    host.run(title, name=host.program, executable=f"/usr/sbin/{host.program}")
    assert host.look() is None


def test_the_shell_is_that_of_the_user_in_the_title_and_not_of_pams(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(session_child, "login_shell", lambda user: asked.append(user) or b"/bin/sh")
    host = Host(tmp_path, user=r"CORP\\jdoe", typed="JDoe@corp.example.com")
    host.serve()
    host.run("sh", "-c", "scp -t x", executable=os.path.realpath("/bin/sh"))
    assert host.look() == SCP
    assert set(asked) == {rb"CORP\\jdoe"}


LONG = 40 * "long-name-of-a-directory."


# `sshd: `, a name of 1000 characters, and `@notty`, cut to the room that sshd was started with.
@pytest.mark.parametrize(
    ("user", "room"),
    [("deploy", 17), ("deploy", 20), (LONG, 30), (LONG, 200), (LONG, 1009), (LONG, 1012), (LONG, 1014)],
)
def test_a_title_that_is_cut_hides_no_session(tmp_path, user, room):
    host = Host(tmp_path, user=user, room=room)
    host.proc.add(90, MONITOR, "run-parts", "run-parts", "/etc/update-motd.d")
    host.proc.add(91, MONITOR, "sshd", host.title(f"{user} [priv]"))  # not yet a program of PAM's
    assert host.look() is None
    assert host.connection.served_since is None
    host.proc.remove(91)
    host.serve("@notty")
    assert host.look() is None
    assert host.connection.served_since == 1.0
    assert host.connection.last_look() != UNKNOWN
    host.run("bash", "-c", "scp -t x")
    assert host.look() == SCP
    host.run("-bash")
    assert host.look() == INTERACTIVE


def test_a_title_that_is_cut_is_no_proof_of_a_session(tmp_path):
    host = Host(tmp_path, user=LONG, room=30)
    host.serve("")
    assert host.look() is None
    assert host.connection.last_look() == TUNNEL
    host.proc.remove(SERVER)
    host.proc.remove(MONITOR)
    assert host.look() == UNKNOWN


def test_a_title_that_was_cut_off_is_not_a_transfer(tmp_path):
    """A child of sshd that has not run its program yet has sshd's title."""
    host = Host(tmp_path, user="x@internal-sftp", room=len("sshd: x@internal-sftp") + titles.UNUSED_ROOM_BYTES)
    host.serve("@notty")
    host.run("sshd: x@internal-sftp", name="sshd", executable="/usr/sbin/sshd")
    assert host.look() is None
    assert host.connection.last_look() == UNKNOWN


def test_where_the_room_of_a_title_may_not_be_seen_no_tunnel_has_children(host):
    """SELinux: the kernel shows the addresses only to processes that can trace the other one."""
    host.serve("")
    assert host.look() is None
    host.run("-bash")
    assert host.look() is None
    assert host.connection.last_look() == UNKNOWN


# A symlink; Debian's ssh-user-sessions; Alpine's openssh-server-pam; HPN-SSH; GSI-OpenSSH; a NixOS wrapper; too long.
NAMES = ["sshd-second", "sshd.pam", "hpnsshd", "gsisshd", ".sshd-wrapped", "sshd-of-the-customers", "in.sshd"]


@pytest.mark.parametrize("program", NAMES)
def test_sshd_may_have_any_name(tmp_path, program):
    host = Host(tmp_path, program)
    host.proc.add(90, MONITOR, "run-parts", "run-parts", "/etc/update-motd.d")
    host.proc.add(91, MONITOR, program, host.title("deploy [priv]"))
    assert host.look() is None
    host.proc.remove(91)
    host.serve("")
    assert host.look() is None
    assert host.connection.last_look() == TUNNEL
    assert host.connection.remembered() == "0:"
    host.serve("@notty")
    host.run(host.title("deploy@notty"), name=program, executable=f"/usr/sbin/{program}")
    assert host.look() is None
    host.run("./" + program, name=program, executable=f"/home/deploy/{program}")
    assert host.look() == COMMAND
    host.run(host.title("deploy@internal-sftp"), name="innocent", executable="/home/deploy/innocent")
    assert host.look() == COMMAND
    host.run(host.title("deploy@internal-sftp"), name=program, executable=f"/usr/sbin/{program}")
    assert host.look() == SFTP_OR_SCP
    host.run("bash", "-c", "uptime")
    assert host.look() == "SSH (command: uptime)"


@pytest.mark.parametrize("program", NAMES)
def test_ended_children_are_recognized_for_an_sshd_with_any_name(tmp_path, program):
    name = program[:15].encode()
    ended = {f"p{MONITOR}": [(90, b"run-parts"), (SERVER, name)], f"p{SERVER}": [(CHILD, b"true")]}
    assert over(Host(tmp_path, program), None, tmp_path, **ended) == "SSH (command: true)"


def test_roots_session_of_an_sshd_of_another_name_is_the_monitors(tmp_path):
    host = Host(tmp_path, "sshd-second", user="root")
    host.serve("@pts/0", pid=MONITOR, parent=50)
    host.run("-bash", parent=MONITOR)
    assert host.look() == INTERACTIVE


def test_a_monitor_is_none_by_any_word_in_brackets(tmp_path):
    """sshd-session.c sets the title `[postauth]` in versions after 10.3."""
    host = Host(tmp_path, "sshd-session")
    host.proc.add(MONITOR, 50, "sshd-session", "sshd-session: deploy [postauth]")
    host.proc.add(91, MONITOR, "sshd-session", "sshd-session: deploy [postauth]")
    host.proc.add(90, MONITOR, "run-parts", "run-parts", "/etc/update-motd.d")
    assert host.look() is None
    assert host.connection.served_since is None
    host.serve("@notty")
    host.run("bash", "-c", "uptime")
    assert host.look() == "SSH (command: uptime)"


def test_root_has_no_second_process_up_to_openssh_9_7(tmp_path):
    host = Host(tmp_path, user="root")
    host.proc.add(90, MONITOR, "run-parts", "run-parts", "/etc/update-motd.d")
    assert host.look() is None
    host.proc.remove(90)
    host.serve("@pts/0", pid=MONITOR, parent=50)
    host.run("-bash", parent=MONITOR)
    assert host.look() == INTERACTIVE


def test_root_has_a_second_process_since_openssh_9_8(tmp_path):
    host = Host(tmp_path, "sshd-session", user="root")
    host.serve("@notty")
    host.run("bash", "-c", "rsync --server .")
    assert host.look() == RSYNC


def test_a_forced_command_is_classified_by_what_runs(host):
    host.serve()
    host.run("bash", "-c", "/usr/local/bin/backup-only --key hunter2")
    assert host.look() == "SSH (command: backup-only)"


def test_a_shell_that_only_passwd_knows_is_a_shell_too(host, monkeypatch):
    monkeypatch.setattr(session_child, "login_shell", lambda user: b"/opt/xonsh" if user == b"deploy" else b"")
    host.serve()
    host.run("xonsh", "-c", "rsync --server .", executable="/opt/xonsh")
    assert host.look() == RSYNC


@pytest.mark.parametrize(
    ("shell", "file", "found"),
    [
        (b"", "/usr/bin/bash", RSYNC),
        (b"", None, RSYNC),  # hidden by SELinux or hidepid
        (b"", "/home/deploy/bash", "SSH (command)"),  # exec -a bash ./bash -c 'rsync --server .'
        (b"", "/usr/bin/python3.11", "SSH (command)"),
        (b"/bin/sh", os.path.realpath("/bin/sh"), RSYNC),  # a symlink, also through /bin
        (b"/bin/sh", "/usr/bin/zsh", "SSH (command)"),  # BASH_ENV=evil bash -c 'rsync --server .'
    ],
)
def test_a_shell_is_one_only_if_the_file_that_runs_is_the_users_shell(host, monkeypatch, shell, file, found):
    monkeypatch.setattr(session_child, "login_shell", lambda user: shell)
    host.serve()
    host.run("bash", "-c", "rsync --server .", executable=file)
    assert host.look() == found


def test_a_file_is_not_held_against_the_program_that_ran_before_it(host, monkeypatch):
    """A transfer replaces the shell between two looks."""
    host.serve()
    host.run("bash", "-c", "rsync --server .")
    executable = Processes.executable

    def replaced(self, pid):
        host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
        return executable(self, pid)

    monkeypatch.setattr(Processes, "executable", replaced)
    assert host.look() is None
    assert host.look() == RSYNC


def test_a_program_that_takes_a_command_is_no_shell_by_that(host):
    host.serve()
    host.run("python3", "-c", "rsync --server .", executable="/usr/bin/python3.11")
    assert host.look() == "SSH (command: python3)"


def test_a_connection_that_is_over_is_unknown(host):
    host.serve()
    host.proc.remove(SERVER)
    host.proc.remove(MONITOR)
    assert host.look() == UNKNOWN


def test_a_pid_that_is_used_again_is_another_connection(host):
    host.proc.add(MONITOR, 50, host.program, host.program + ": eve [priv]", start=START + 1)
    host.serve("@pts/0")
    host.run("-bash")
    assert host.look() == UNKNOWN


def test_a_pid_that_is_used_again_while_it_is_looked_at_is_another_connection(host):
    host.serve("@pts/0")
    assert host.look() is None
    host.proc.add(MONITOR, 50, host.program, host.program + ": eve [priv]", start=START + 1)
    host.run("-bash")
    assert host.look() == TERMINAL_OVER  # as seen before, and nothing of eve's


def test_the_files_of_a_connection_are_closed_with_it(host):
    before = os.listdir("/proc/self/fd")
    host.serve("@pts/0")
    host.look()
    kept = set(os.listdir("/proc/self/fd")).difference(before)
    host.connection.close()
    assert len(kept) == 3  # the server's; the monitor's are open from the beginning
    assert len(os.listdir("/proc/self/fd")) == len(before) - 3


def test_a_connection_whose_start_is_not_known_is_unknown(host, tmp_path):
    host.serve("@pts/0")
    host.run("-bash")
    assert Connection(Processes(str(tmp_path)), MONITOR, None, b"sshd").look(1.0) == UNKNOWN


def test_a_kernel_without_lists_of_children_is_no_hindrance(host):
    host.serve("@pts/0")
    host.run("-bash")
    host.proc.forget_children()
    assert host.look() == INTERACTIVE


def test_another_connection_of_the_same_user_is_not_mixed_up(host):
    host.proc.add(200, 50, host.program, host.program + ": deploy [priv]")
    host.proc.add(201, 200, host.program, host.program + ": deploy@pts/1")
    host.proc.add(202, 201, "bash", "-bash")
    host.serve()
    host.run("bash", "-c", "scp -t x")
    assert host.look() == SCP


def test_a_session_is_opening_for_a_moment_after_its_title_says_so(host):
    host.serve("")
    host.connection.look(1.0)
    assert not host.connection.is_opening(1.0, 0.2)
    host.serve("@notty")
    host.connection.look(5.0)
    host.connection.look(5.1)
    assert host.connection.is_opening(5.15, 0.2)
    assert not host.connection.is_opening(5.25, 0.2)


def test_the_login_shell_is_that_of_passwd():
    assert os.path.basename(session_child.login_shell(b"root")) in (b"bash", b"sh", b"dash", b"zsh", b"fish", b"ash")
    assert session_child.login_shell(b"no such user") == b""


ORDER = (UNKNOWN, TUNNEL, RSYNC, SOMETHING_OVER, "SSH (command: id)", INTERACTIVE)


def test_kinds_have_an_order():
    assert sorted(sorted(ORDER), key=seriousness) == list(ORDER)
    assert len({seriousness(kind) for kind in (SFTP_OR_SCP, SCP, RSYNC, GIT)}) == 1
    assert seriousness("SSH (command)") == seriousness("SSH (command: id)")


def test_the_most_serious_of_several_sessions_counts(host):
    host.serve()
    host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
    host.proc.add(CHILD + 1, SERVER, "bash", "-bash")
    host.proc.add(CHILD + 2, SERVER, "id", "id")
    assert host.look() == INTERACTIVE


def reap(host, faults, *gone):
    """Set the page faults of the server's reaped children to this number, and remove these children."""
    host.proc.add(SERVER, MONITOR, host.program, f"{host.program}: {host.user}@notty", reaped_faults=faults)
    for child in gone:
        host.proc.remove(child)


def test_a_session_between_two_looks_is_noticed(host):
    host.serve("")
    host.look()
    assert not host.connection.has_missed_one()
    reap(host, 250)
    assert host.connection.has_missed_one()
    assert not host.connection.has_missed_one()


def test_the_end_of_a_known_child_is_not_a_missed_session(host):
    host.serve()
    host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
    assert host.look() == RSYNC
    reap(host, 250, CHILD)
    assert not host.connection.has_missed_one()
    reap(host, 500)
    assert host.connection.has_missed_one()


def test_a_child_whose_type_never_showed_is_missed(host):
    host.serve()
    host.run(f"{host.program}: deploy@notty", name=host.program, executable=f"/usr/sbin/{host.program}")
    assert host.look() is None
    reap(host, 250, CHILD)
    assert host.connection.has_missed_one()


def test_beside_others_it_is_noticed_one_look_later_for_the_kernel_counts_first(host):
    host.serve()
    host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
    host.look()
    reap(host, 250)
    assert not host.connection.has_missed_one()
    assert host.connection.has_missed_one()
    reap(host, 500)
    assert not host.connection.has_missed_one()
    host.proc.remove(CHILD)  # it was this one
    assert not host.connection.has_missed_one()


def test_another_process_goes_on_where_one_has_stopped(host):
    host.serve()
    host.run("rsync", "--server", ".", executable="/usr/bin/rsync")
    host.look()
    host.connection.has_missed_one()
    remembered = host.connection.remembered()
    for faults, gone, missed in ((250, [], True), (500, [CHILD], False)):
        reap(host, faults, *gone)
        another = host.connect(Processes(host.proc.root))
        another.resume(remembered)
        another.look(1.0)
        assert (another.has_missed_one() or another.has_missed_one()) == missed


def test_nothing_is_remembered_of_closed_connections_and_of_other_programs(host):
    host.proc.add(MONITOR, 50, "login", "login -- deploy")
    assert host.connection.remembered() == ""
    host.proc.add(MONITOR, 50, host.program, f"{host.program}: {host.user} [priv]")
    assert host.connection.remembered() == ":"
    host.proc.add(MONITOR, 50, host.program, f"{host.program}: {host.user} [priv]", start=START + 1)
    assert host.connection.remembered() == ""


def test_a_connection_is_quiet_while_sshd_sleeps_and_nothing_runs(host):
    assert not host.connection.is_quiet()  # no server yet
    host.serve("")
    host.look()
    assert not host.connection.is_quiet()
    host.connection.has_missed_one()
    assert host.connection.is_quiet()
    host.proc.add(SERVER, MONITOR, host.program, f"{host.program}: deploy", faults=100)  # it has forked
    assert not host.connection.is_quiet()
    host.run("id", name="id")
    host.look()
    host.connection.has_missed_one()
    assert not host.connection.is_quiet()
    assert not host.connection.is_quiet()  # the process there can become something else
