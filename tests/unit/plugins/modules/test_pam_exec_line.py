# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with files in its own directory."""

import os
import stat
from pathlib import Path

import pytest

RUN = "pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify"
LINE = "session [success=2 default=ignore] " + RUN
BLOCK = f"""{LINE}
session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0
session optional {RUN}
"""
PERMIT = "session required pam_permit.so\n"


@pytest.fixture
def etc(tmp_path, debian12):
    """A pam.d with Debian 12's files, and an empty vendor directory."""
    return Directories(tmp_path, debian12)


class Directories:
    def __init__(self, path, files):
        self.pam_d = path / "etc"
        self.vendor = path / "vendor"
        self.pam_d.mkdir()
        self.vendor.mkdir()
        self.files = files
        for name, text in files.items():
            (self.pam_d / name).write_text(text, encoding="utf-8")
        self.sshd = self.pam_d / "sshd"
        self.before = self.sshd.read_bytes()
        self.arguments = {"pam_d": str(self.pam_d), "vendor_pam_d": [str(self.vendor)]}

    def names(self):
        return sorted(path.name for path in self.pam_d.iterdir())


@pytest.fixture
def run(run_module, etc):
    def run(**options):
        return run_module("pam_exec_line", **dict(etc.arguments, **options))

    return run


def texts(result):
    # Texts up to ansible-core 2.18, and objects that contain the text since then.
    return [str(warning) for warning in result.get("warnings", [])]


# -- the life of a line -----------------------------------------------------------------------------------------------


def test_arguments_are_checked(run):
    assert "value of state must be one of: absent, present" in run(state="here")["msg"]
    assert "Unsupported parameters" in run(line="x")["msg"]


def test_check_mode_tells_and_changes_nothing(run, etc):
    result = run(check=True, backup=True)
    assert result["changed"] is True
    assert etc.sshd.read_bytes() == etc.before
    assert etc.names() == sorted(etc.files)


def test_the_line_is_put_in(run, etc):
    result = run()
    assert result["changed"] is True
    assert result["path"] == str(etc.sshd)
    assert result["line"] == LINE
    assert result["lines"] == BLOCK.splitlines()
    lines = etc.sshd.read_text(encoding="utf-8").splitlines()
    assert "pam_selinux.so close" in lines[lines.index(LINE) - 1]
    assert etc.names() == sorted(etc.files)


def test_a_second_run_changes_nothing(run, etc):
    run()
    inode = etc.sshd.stat().st_ino
    assert run()["changed"] is False
    assert run(check=True)["changed"] is False
    assert etc.sshd.stat().st_ino == inode


def test_the_difference_is_shown(run, etc):
    difference = run(diff=True)["diff"]
    assert difference["before"].encode() == etc.before
    assert difference["after"].encode() == etc.sshd.read_bytes()
    assert difference["before_header"] == difference["after_header"] == str(etc.sshd)


def test_the_difference_in_check_mode_is_the_one_of_the_change(run):
    foretold = run(check=True, diff=True)["diff"]
    assert run(diff=True)["diff"] == foretold


def test_a_backup_is_kept_on_request_only(run, etc):
    result = run(backup=True)
    assert Path(result["backup_file"]).read_bytes() == etc.before
    assert "backup_file" not in run(backup=True)
    assert "backup_file" not in run(state="absent")
    assert len(etc.names()) == len(etc.files) + 1


def test_absent_gives_the_file_back_byte_for_byte(run, etc):
    run()
    assert run(state="absent", check=True)["changed"] is True
    assert LINE in etc.sshd.read_text(encoding="utf-8")
    assert run(state="absent")["changed"] is True
    assert etc.sshd.read_bytes() == etc.before
    assert run(state="absent")["changed"] is False


def test_bytes_that_are_no_utf8_survive(run, etc):
    etc.sshd.write_bytes(b"# caf\xe9 \xff\r\n\t" + etc.before + b"# no last line feed")
    before = etc.sshd.read_bytes()
    result = run(diff=True)
    assert result["changed"] is True
    assert result["diff"]["before"].startswith("# caf\ufffd \ufffd\r\n")
    assert etc.sshd.read_bytes().replace(BLOCK.encode(), b"") == before
    run(state="absent")
    assert etc.sshd.read_bytes() == before


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_the_mode_is_kept(run, etc, mode):
    etc.sshd.chmod(mode)
    run()
    assert stat.S_IMODE(etc.sshd.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(run, etc):
    os.chown(str(etc.sshd), 12, 34)
    run()
    assert (etc.sshd.stat().st_uid, etc.sshd.stat().st_gid) == (12, 34)


def test_lines_of_earlier_programs_are_replaced(run, etc):
    etc.sshd.write_bytes(etc.before + b"session optional pam_exec.so seteuid /root/notify.sh\n")
    run(replaces=["/root/notify.sh"])
    assert b"notify.sh" not in etc.sshd.read_bytes()
    run(state="absent")
    assert etc.sshd.read_bytes() == etc.before


def test_another_service_and_program(run, etc):
    (etc.pam_d / "login").write_text(PERMIT, encoding="utf-8")
    result = run(service="login", program="/opt/notify")
    assert result["line"].endswith(" seteuid /opt/notify")
    assert (etc.pam_d / "login").read_text(encoding="utf-8") == "\n".join(result["lines"]) + "\n" + PERMIT


def test_the_single_line_of_earlier_versions_and_a_block_that_is_not_whole_are_replaced(run, etc):
    run()
    whole = etc.sshd.read_bytes()
    for missing in BLOCK.splitlines():
        etc.sshd.write_bytes(whole.replace(missing.encode() + b"\n", b""))
        assert run()["changed"] is True
        assert etc.sshd.read_bytes() == whole
    etc.sshd.write_bytes(whole.replace(BLOCK.encode(), f"session optional {RUN}\n".encode()))
    assert run()["changed"] is True
    assert etc.sshd.read_bytes() == whole


# -- reports ----------------------------------------------------------------------------------------------------------


def test_a_stack_that_reads_the_user_environment_in_its_session_part_is_reported(run, etc):
    result = run()
    (found,) = result["user_readenv"]
    assert (found["file"], found["part"]) == (str(etc.sshd), "session")
    assert b"user_readenv=1" in etc.sshd.read_bytes().splitlines()[found["line"] - 1]
    assert texts(result) == [], "nobody needs to do anything about it"


def test_a_stack_that_reads_the_user_environment_before_the_session_is_refused(run, etc):
    with (etc.pam_d / "common-auth").open("a", encoding="utf-8") as file:
        file.write("auth required pam_env.so user_readenv=1\n")
    where = f"{etc.pam_d / 'common-auth'} line"
    refused(run(), where, "Remove user_readenv=1", "accept: [user_environment]", "ssh_login_notify_accept")
    assert etc.sshd.read_bytes() == etc.before


def test_a_stack_that_reads_the_user_environment_before_the_session_is_accepted_on_request(run, etc):
    with (etc.pam_d / "common-auth").open("a", encoding="utf-8") as file:
        file.write("auth required pam_env.so user_readenv=1\n")
    result = run(accept=["user_environment"])
    assert [found["part"] for found in result["user_readenv"]] == ["auth", "session"]
    assert "runs as root. Remove user_readenv=1" in texts(result)[0]


def test_included_files_are_found_in_the_vendor_directory_too(run, etc):
    (etc.vendor / "extra").write_text("session required pam_env.so user_readenv=1\n", encoding="utf-8")
    etc.sshd.write_text(PERMIT + "session include extra\n", encoding="utf-8")
    (found,) = run()["user_readenv"]
    assert found == {"file": str(etc.vendor / "extra"), "line": 1, "part": "session"}


@pytest.mark.parametrize(
    ("comment", "tool"),
    [
        ("# Ansible managed", True),
        ("# This file is managed by Puppet. Local changes will be lost.", True),
        ("#%PAM-1.0\n# Generated by authselect on Mon Nov 23", True),
        ("session required pam_permit.so # MANAGED BY CHEF", True),
        ("# PAM configuration for the Secure Shell service", False),
        ("# This line is managed by pam-auth-update", False),
    ],
)
def test_a_file_that_another_tool_writes_is_refused(run, etc, comment, tool):
    etc.sshd.write_text(comment + "\n" + PERMIT, encoding="utf-8")
    before = etc.sshd.read_bytes()
    if tool:
        refused(run(), " would remove the lines again", *BLOCK.splitlines(), "accept: [managed_file]")
        refused(run(check=True), "would remove the lines again")
        assert etc.sshd.read_bytes() == before
    assert run(accept=["managed_file"])["changed"] is True
    assert run()["changed"] is False, "that tool's template has the line"
    assert run(state="absent")["changed"] is True


def test_crlf_is_warned_of(run, etc):
    etc.sshd.write_bytes(PERMIT.encode().replace(b"\n", b"\r\n"))
    assert "CRLF" in texts(run())[0]


# -- refusals ---------------------------------------------------------------------------------------------------------


def refused(result, *parts):
    assert result["failed"] is True
    assert "was left unchanged" in result["msg"]
    for part in parts:
        assert part in result["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_a_missing_file_is_refused(run, etc, check):
    refused(run(service="dropbear", check=check), str(etc.pam_d / "dropbear"), "no such file", "Install")


def test_a_missing_file_is_as_good_as_absent(run):
    assert run(service="dropbear", state="absent")["changed"] is False


def test_a_file_of_the_vendor_only_is_refused(run, etc):
    etc.sshd.rename(etc.vendor / "sshd")
    refused(run(), str(etc.vendor / "sshd"), "copy_vendor: true")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_symbolic_link_is_refused(run, etc, state):
    etc.sshd.rename(etc.pam_d / "real")
    etc.sshd.symlink_to("real")
    refused(run(state=state), "symbolic link to real", "Replace the link with a copy")
    assert (etc.pam_d / "real").read_bytes() == etc.before


def test_a_dangling_link_is_refused(run, etc):
    etc.sshd.unlink()
    etc.sshd.symlink_to("nowhere")
    refused(run(copy_vendor=True), "symbolic link to nowhere")


def test_a_directory_is_refused(run, etc):
    etc.sshd.unlink()
    etc.sshd.mkdir()
    refused(run(), "it is a directory", "Restore it")


def test_a_pipe_is_refused_and_not_waited_for(run, etc):
    etc.sshd.unlink()
    os.mkfifo(str(etc.sshd))
    refused(run(), "not a regular file")


def test_an_included_pipe_is_not_waited_for(run, etc):
    os.mkfifo(str(etc.pam_d / "pipe"))
    etc.sshd.write_text(PERMIT + "session include pipe\n", encoding="utf-8")
    assert run()["changed"] is True


def test_a_file_that_is_not_text_is_refused(run, etc):
    etc.sshd.write_bytes(b"\x7fELF\x00" + etc.before)
    refused(run(), "not text")


def test_a_stack_without_other_session_rules_is_refused(run, etc):
    etc.sshd.write_text("@include common-auth\n", encoding="utf-8")
    refused(run(), "no other session rules", "pam_permit.so")
    assert etc.sshd.read_text(encoding="utf-8") == "@include common-auth\n"


@pytest.mark.parametrize("service", ["", "..", "../sshd", "/etc/passwd"])
def test_a_service_that_is_no_name_is_refused(run, service):
    refused(run(service=service), "cannot be a PAM service")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_program_that_a_line_cannot_name_is_refused(run, state):
    refused(run(program="/opt/my notify", state=state), "absolute path")


# -- a service with only the vendor's file ----------------------------------------------------------------------------


def test_a_file_of_the_vendor_is_copied_on_request(run, etc):
    etc.sshd.rename(etc.vendor / "sshd")
    (etc.vendor / "sshd").chmod(0o640)
    foretold = run(copy_vendor=True, check=True, diff=True)
    assert foretold["changed"] is True
    assert not etc.sshd.exists()
    result = run(copy_vendor=True, backup=True, diff=True)
    assert result["copied_from"] == foretold["copied_from"] == str(etc.vendor / "sshd")
    assert result["diff"]["before"] == ""
    assert result["diff"] == foretold["diff"]
    assert "backup_file" not in result
    assert etc.sshd.read_bytes().replace(BLOCK.encode(), b"") == etc.before
    assert stat.S_IMODE(etc.sshd.stat().st_mode) == 0o640
    assert (etc.vendor / "sshd").read_bytes() == etc.before
    assert run(copy_vendor=True)["changed"] is False


def test_a_copy_of_the_vendor_file_goes_with_the_line(run, etc):
    etc.sshd.rename(etc.vendor / "sshd")
    run(copy_vendor=True)
    assert run(copy_vendor=True, state="absent", check=True)["changed"] is True
    assert etc.sshd.exists()
    assert run(copy_vendor=True, state="absent", diff=True)["diff"]["after"] == ""
    assert not etc.sshd.exists()
    assert run(copy_vendor=True, state="absent")["changed"] is False


def test_a_copy_that_differs_from_the_vendor_file_stays(run, etc):
    (etc.vendor / "sshd").write_bytes(etc.before + b"# newer\n")
    run(copy_vendor=True)
    run(copy_vendor=True, state="absent")
    assert etc.sshd.read_bytes() == etc.before


def test_a_copy_that_never_held_the_line_stays(run, etc):
    (etc.vendor / "sshd").write_bytes(etc.before)
    assert run(copy_vendor=True, state="absent")["changed"] is False
    assert etc.sshd.read_bytes() == etc.before


def test_without_copy_vendor_the_copy_stays(run, etc):
    (etc.vendor / "sshd").write_bytes(etc.before)
    run()
    run(state="absent")
    assert etc.sshd.read_bytes() == etc.before
