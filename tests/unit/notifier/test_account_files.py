# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""account_files: a file is read with its account's rights, a read never blocks, and omissions are reported."""

import os
import pwd
import shutil
import tempfile

import pytest
from parts import needs_root
from ssh_login_notify import account_files
from ssh_login_notify.account_files import expanded, read

# Python itself can affect each case.
pytestmark = pytest.mark.each

OTHER = 12345


def account(home, uid=None, name="root"):
    uid = os.getuid() if uid is None else uid
    return pwd.struct_passwd((name, "x", uid, uid, "", str(home), "/bin/sh"))


@pytest.fixture
def home():
    """A home directory below a world-accessible directory, which pytest's is not."""
    path = tempfile.mkdtemp(prefix="lw-home-", dir="/var/lib")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def write(path, data, mode=0o600):
    with open(str(path), "wb") as file:
        file.write(data)
    os.chmod(str(path), mode)
    return str(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".ssh/authorized_keys", "/home/ada/.ssh/authorized_keys"),
        ("/etc/keys/%u", "/etc/keys/ada"),
        ("/etc/keys/%U/%%u", "/etc/keys/1000/%u"),
        ("%h/keys", "/home/ada/keys"),
        ("%%h", "/home/ada/%h"),
        ("none", ""),
        ("None", ""),
        ("/etc/%x", ""),
        ("/etc/%", ""),
    ],
)
def test_a_pattern_stands_for_the_path_that_sshd_takes(pattern, path):
    assert expanded(pattern, pwd.struct_passwd(("ada", "x", 1000, 1000, "", "/home/ada", "/bin/sh"))) == path


def test_lines_have_their_numbers_and_comments_are_none(tmp_path):
    path = write(tmp_path / "keys", b"# one\n\nthree\n  \t\n #five\nsix")
    file = read(path, account(tmp_path))
    assert (file.lines, file.problem) == ([(3, b"three\n"), (6, b"six")], "")


def test_what_is_not_there_is_no_problem(tmp_path):
    for path in (tmp_path / "none", "/dev/null/.ssh/authorized_keys"):
        file = read(str(path), account(tmp_path))
        assert (file.lines, file.problem, file.unsafe) == ([], "", "")


def test_a_pipe_a_device_and_a_directory_are_not_read_and_nothing_waits(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    before = os.listdir("/proc/self/fd")
    for path in (tmp_path / "pipe", tmp_path / "zero", tmp_path):
        file = read(str(path), account(tmp_path))
        assert (file.lines, file.problem) == ([], "it is not a regular file")
    assert os.listdir("/proc/self/fd") == before


def test_a_link_is_followed_as_by_sshd(tmp_path):
    write(tmp_path / "real", b"one\n")
    (tmp_path / "link").symlink_to("real")
    assert read(str(tmp_path / "link"), account(tmp_path)).lines == [(1, b"one\n")]


def test_a_path_that_cannot_be_is_a_problem(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for path in (str(tmp_path / "loop"), str(tmp_path / "nul") + "\0"):
        assert read(path, account(tmp_path)).problem.startswith(
            "it could not be opened with the rights of the account: "
        )


def test_limits_are_said_with_the_line_after_which_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(account_files, "LARGEST_LINE_BYTES", 10)
    monkeypatch.setattr(account_files, "MOST_LINES", 3)
    path = write(tmp_path / "keys", b"a\n" + b"b" * 25 + b"\nc\nd\n")
    file = read(path, account(tmp_path))
    assert file.lines == [(1, b"a\n"), (2, b""), (3, b"c\n")]
    assert file.problem == "it has more than 3 lines, and those after line 3 were not examined"
    file = read(path, account(tmp_path), 20)
    assert file.lines == [(1, b"a\n")]
    assert file.problem == "it is larger than 20 bytes, and what follows line 1 was not examined"


def test_a_key_behind_a_great_many_blanks_is_not_overlooked(tmp_path, monkeypatch):
    monkeypatch.setattr(account_files, "LARGEST_LINE_BYTES", 10)
    path = write(tmp_path / "keys", b" " * 30 + b"key\n#" + b"x" * 30 + b"\nlast\n")
    assert read(path, account(tmp_path)).lines == [(1, b""), (3, b"last\n")]


@needs_root
def test_root_reads_with_the_rights_of_the_account_alone(home):
    secret = write(home + "/secret", b"of root\n")
    link = home + "/link"
    os.symlink(secret, link)
    before = (os.geteuid(), os.getegid(), os.getgroups())
    file = read(link, account(home, OTHER, "nobody"))
    assert (file.lines, file.problem) == (
        [],
        "it could not be opened with the rights of the account: Permission denied",
    )
    os.chmod(secret, 0o644)
    assert read(link, account(home, OTHER, "nobody")).lines == [(1, b"of root\n")]
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


@needs_root
@pytest.mark.parametrize(
    ("changed", "owner", "mode", "why"),
    [
        ("keys", OTHER, 0o600, ""),
        ("keys", 0, 0o644, ""),
        ("keys", OTHER, 0o622, "file {}/.ssh/keys"),
        ("keys", OTHER + 1, 0o644, "file {}/.ssh/keys"),
        (".ssh", OTHER, 0o777, "directory {}/.ssh"),
        (".ssh", OTHER + 1, 0o755, "directory {}/.ssh"),
        ("", OTHER, 0o775, "directory {}"),
    ],
)
def test_strict_modes_look_at_the_file_and_at_each_directory_up_to_the_home(
    home, monkeypatch, changed, owner, mode, why
):
    monkeypatch.setattr(account_files, "DEBIAN", "/nonexistent")
    os.mkdir(home + "/.ssh")
    path = write(home + "/.ssh/keys", b"")
    for each in (home, home + "/.ssh", path):
        os.chown(each, OTHER, OTHER)
    target = {"keys": path, ".ssh": home + "/.ssh", "": home}[changed]
    os.chown(target, owner, OTHER)
    os.chmod(target, mode)
    said = read(path, account(home, OTHER, "nobody")).unsafe
    assert said == ("bad ownership or modes for " + why.format(home) if why else "")


@needs_root
@pytest.mark.parametrize(
    ("members", "uids", "is_private"),
    [([], [OTHER], True), (["ada"], [], True), (["grace"], [OTHER], False), ([], [OTHER, 7], False), ([], [], False)],
)
def test_debian_takes_a_file_that_a_private_group_can_write(home, monkeypatch, members, uids, is_private):
    entries = [pwd.struct_passwd((str(uid), "x", uid, OTHER, "", home, "/bin/sh")) for uid in uids]
    monkeypatch.setattr(account_files, "DEBIAN", "/")
    monkeypatch.setattr(account_files.pwd, "getpwall", lambda: entries)
    monkeypatch.setattr(account_files.pwd, "getpwuid", lambda uid: account(home, uid, "ada"))
    monkeypatch.setattr(
        account_files.grp, "getgrgid", lambda gid: account_files.grp.struct_group(("g", "x", gid, members))
    )
    path = write(home + "/keys", b"", 0o664)
    for each in (home, path):
        os.chown(each, OTHER, OTHER)
    os.chmod(path, 0o664)
    assert (read(path, account(home, OTHER, "nobody")).unsafe == "") == is_private
