# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""subsystem: the SFTP server that sshd is configured to run, and nothing uncertain."""

import os

import parts
import pytest
from ssh_login_notify import session_child, sshd_start, subsystem, trust
from ssh_login_notify.connection import Connection
from ssh_login_notify.login_types import COMMAND, SFTP_OR_SCP
from ssh_login_notify.processes import Processes

# The files must belong to root.
pytestmark = parts.needs_root
ELF = b"\x7fELF and more"


class Configured:
    """A host with a program and sshd's configuration."""

    def __init__(self, root):
        self.root = root
        self.program = self.add("own/libexec/sftp-server", ELF)
        (root / "ssh" / "d").mkdir(parents=True)

    def add(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
        return str(path)

    def configure(self, text, name="sshd_config"):
        (self.root / "ssh" / name).write_text(text)

    def commands(self, *listener):
        found = subsystem.sftp_servers([word.encode() for word in listener])
        return [b" ".join(words).decode() for words, _file in found]


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(subsystem, "DIRECTORY", str(tmp_path / "ssh"))
    monkeypatch.setattr(sshd_start, "CONFIGURATIONS", (str(tmp_path / "ssh" / "sshd_config"),))
    monkeypatch.setattr(trust, "_is_open", lambda path: os.path.basename(path) == "open")
    return Configured(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "Subsystem sftp {}",
        "subsystem\tsftp  {} -l INFO",
        "SUBSYSTEM=sftp {}",
        "  Subsystem sftp {} -R",
        "Match all\nSubsystem sftp {}",
    ],
)
def test_the_configured_server_is_known_with_its_words(host, line):
    host.configure("Port 22\n" + line.format(host.program) + "\n")
    words = line.format(host.program).split("sftp", 1)[1].split()
    assert subsystem.sftp_servers([]) == [([word.encode() for word in words], host.program.encode())]


def test_it_may_stand_in_a_file_that_is_included(host):
    host.configure("Include d/*.conf\nSubsystem sftp internal-sftp\n")
    host.configure(f"Subsystem sftp {host.program}\nInclude d/*.conf\n", "d/a.conf")
    assert set(host.commands()) == {host.program}


@pytest.mark.parametrize(
    "listener",
    [
        ["sshd: /usr/sbin/sshd -D -f {0}/second [listener] 0 of 10-100 startups"],
        ["sshd-second: /opt/sshd-second -D -f{0}/second -p 2222 [listener] 1 of 10-100 startups"],
        ["/usr/sbin/sshd", "-D", "-f", "{0}/second"],
        ["sshd: /usr/sbin/sshd -f {0}/first -f {0}/second [listener] 0 of 10-100 startups"],
    ],
)
def test_the_configuration_is_that_of_the_sshd_that_serves_the_connection(host, listener):
    """A second sshd has its own file, which is separate from the first one's includes."""
    host.configure("Subsystem sftp internal-sftp\n")
    host.configure("Include d/*.conf\n", "second")
    host.configure(f"Subsystem sftp {host.program} -R\n", "d/a.conf")
    words = [word.format(host.root / "ssh", host.program) for word in listener]
    assert host.commands(*words) == [host.program + " -R"]
    assert host.commands("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups") == []


def test_the_options_of_a_start_may_name_the_server(host):
    option = f"-o Subsystem=sftp {host.program} -o Port=22"
    assert host.commands(f"sshd: /usr/sbin/sshd -D {option} [listener] 0 of 10-100 startups") == [host.program]


@pytest.mark.parametrize("listener", [["/sbin/init"], ["/usr/bin/x", "-f", "{}/second"], ["sshd", "-f", "second"], []])
def test_arguments_of_other_programs_do_not_count(host, listener):
    host.configure(f"Subsystem sftp {host.program}\n")
    host.configure(f"Subsystem sftp {host.program} -R\n", "second")
    assert host.commands(*[word.format(host.root / "ssh") for word in listener]) == [host.program]


def test_a_relative_path_is_not_looked_for(host, monkeypatch):
    monkeypatch.chdir(host.root / "ssh")
    host.configure(f"Subsystem sftp {host.program}\n", "second")
    assert host.commands("/usr/sbin/sshd", "-f", "second") == []


def test_a_link_leads_to_its_file(host):
    link = host.root / "own" / "transfer"
    link.symlink_to(host.program)
    host.configure(f"Subsystem sftp {link}\n")
    assert subsystem.sftp_servers([]) == [([str(link).encode()], host.program.encode())]


@pytest.mark.parametrize(
    "command",
    ["internal-sftp", "sftp-server", "{}; id", "'{}'", "{} $X", "/nowhere/sftp-server", "/usr/bin/env sftp-server"],
)
def test_an_uncertain_command_line_does_not_count(host, command):
    host.configure("Subsystem sftp " + command.format(host.program) + "\n")
    assert host.commands() == []


def test_a_program_that_others_can_replace_is_none(host):
    for name, mode in (("open/sftp-server", 0o755), ("own/sftp-server", 0o777), ("own/sftp-script", 0o755)):
        path = host.add(name, b"#!/bin/sh" if name.endswith("script") else ELF)
        os.chmod(path, mode)
        host.configure(f"Subsystem sftp {path}\n")
        assert host.commands() == [], name


def test_a_link_that_others_can_replace_is_none(host):
    (host.root / "open").mkdir()
    (host.root / "open" / "sftp-server").symlink_to(host.program)
    host.configure("Subsystem sftp {}\n".format(host.root / "open" / "sftp-server"))
    assert host.commands() == []


def test_another_subsystem_or_no_configuration_is_none(host):
    assert host.commands() == []
    host.configure(f"Subsystem netconf {host.program}\n#Subsystem sftp {host.program}\nSubsystem sftp\n")
    assert host.commands() == []


@pytest.mark.parametrize(
    ("arguments", "file", "found"),
    [
        (["bash", "-c", "{} -l INFO"], "/usr/bin/bash", SFTP_OR_SCP),
        (["bash", "-c", "{} -l INFO"], "/home/deploy/bash", COMMAND),
        (["bash", "-c", "{} -l INFO -x"], "/usr/bin/bash", "SSH (command: sftp-server)"),
        (["bash", "-c", "{} -l  INFO"], "/usr/bin/bash", "SSH (command: sftp-server)"),
        (["bash", "-c", "{} -l INFO; id"], "/usr/bin/bash", "SSH (command: sftp-server and more)"),
        (["{}", "-l", "INFO"], "{}", SFTP_OR_SCP),
        (["{}", "-l", "INFO"], None, SFTP_OR_SCP),  # hidden by SELinux or hidepid
        (["{}", "-l", "INFO"], "/home/deploy/sftp-server", "SSH (command: sftp-server)"),
    ],
)
def test_a_session_is_a_transfer_only_by_the_configured_words_and_file(host, monkeypatch, arguments, file, found):
    monkeypatch.setattr(session_child, "login_shell", lambda user: b"")
    host.configure(f"Subsystem sftp {host.program} -l INFO\n", "second")
    proc = parts.FakeProc(host.root / "proc")
    listener = "sshd: /usr/sbin/sshd -D -f {} [listener] 0 of 10-100 startups".format(host.root / "ssh" / "second")
    proc.add(50, 1, "sshd", listener)
    proc.add(100, 50, "sshd", "sshd: deploy [priv]")
    proc.add(101, 100, "sshd", "sshd: deploy@notty")
    words = [word.format(host.program) for word in arguments]
    proc.add(102, 101, words[0].rpartition("/")[2], *words, executable=file and file.format(host.program))
    assert Connection(Processes(str(host.root / "proc")), 100, 1100, b"sshd").look(1.0) == found
