# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pam_environment: a variable that the administrator sets is not an anomaly of a login, but all others are."""

import os

import parts
import pytest
from ssh_login_notify import pam_environment, paths, rules, trust
from ssh_login_notify.alert import build
from ssh_login_notify.capture import Capture

NAME = "1763884862.123456-4242"
pytestmark = parts.needs_root  # the tests depend on the owners of files
HEADER = b"capture=1\0parent=4200\0parent_stat=\0\0"


class Host:
    """A host's files below a directory that counts as root's, as if only root could write to its parents."""

    def __init__(self, root, monkeypatch):
        self.root = root
        for name in ("ENVIRONMENTS", "CONFIGURATIONS"):
            moved = [str(root) + pattern for pattern in getattr(pam_environment, name)]
            monkeypatch.setattr(pam_environment, name, moved)
        monkeypatch.setattr(paths, "PAM_DIRECTORIES", [str(root) + path for path in paths.PAM_DIRECTORIES])
        is_open = trust._is_open
        # The tests' own directory is in /tmp, and perhaps not root's.
        monkeypatch.setattr(trust, "_is_open", lambda path: self._is_ours(path) and is_open(path))

    def _is_ours(self, path):
        return path.startswith(str(self.root) + "/")

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o644)
        return file

    def alert(self, *environment):
        pairs = "".join(pair + "\0" for pair in environment) + "PAM_USER=deploy\0PAM_SERVICE=sshd\0PAM_TTY=ssh\0"
        return build(Capture(NAME, HEADER + pairs.encode()), "rsync")

    def held(self, *environment):
        """Return the names in the Note."""
        return [note.partition(" environment held ")[2] for note in self.alert(*environment)["notes"]]


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


ADMINISTRATORS = [
    ("/etc/environment", "MALLOC_ARENA_MAX=2\n", "MALLOC_ARENA_MAX=2"),
    ("/etc/environment", "  MALLOC_ARENA_MAX=2  \n", "MALLOC_ARENA_MAX=2"),
    ("/etc/environment", "LD_LIBRARY_PATH='/opt/a b/lib'\n", "LD_LIBRARY_PATH=/opt/a b/lib"),
    ("/etc/environment", 'export SSL_CERT_FILE="/etc/ssl/ours.pem" # ours\n', "SSL_CERT_FILE=/etc/ssl/ours.pem"),
    ("/etc/environment", "A=1\n# no\n\nSSL_CERT_DIR=/etc/ssl/#1", "SSL_CERT_DIR=/etc/ssl/#1"),
    ("/etc/environment.d/50-ours", "MALLOC_ARENA_MAX=2\n", "MALLOC_ARENA_MAX=2"),
    ("/usr/etc/environment", "MALLOC_ARENA_MAX=2\n", "MALLOC_ARENA_MAX=2"),
    ("/etc/security/pam_env.conf", "MALLOC_ARENA_MAX DEFAULT=2\n", "MALLOC_ARENA_MAX=2"),
    ("/etc/security/pam_env.conf", "LD_LIBRARY_PATH\tOVERRIDE=/opt/lib  # ours\n", "LD_LIBRARY_PATH=/opt/lib"),
    ("/etc/security/pam_env.conf", 'LD_LIBRARY_PATH DEFAULT="/opt/a b" OVERRIDE=/x\n', "LD_LIBRARY_PATH=/opt/a b"),
    ("/etc/security/pam_env.conf.d/ours.conf", "MALLOC_ARENA_MAX DEFAULT=2\n", "MALLOC_ARENA_MAX=2"),
    ("/usr/etc/security/pam_env.conf", "MALLOC_ARENA_MAX DEFAULT=2\n", "MALLOC_ARENA_MAX=2"),
]


@pytest.mark.parametrize(("path", "text", "pair"), ADMINISTRATORS)
def test_a_variable_that_the_administrator_sets_is_not_an_anomaly(host, path, text, pair):
    assert host.held(pair) == [pair.partition("=")[0]]
    host.write(path, text)
    found = host.alert(pair)
    assert found["notes"] == []
    assert rules.is_ignored(found, parts.configuration(ignore=[{"user": "deploy"}]))


@pytest.mark.parametrize(("path", "text", "pair"), ADMINISTRATORS)
def test_another_value_of_the_same_variable_stays_an_anomaly(host, path, text, pair):
    host.write(path, text)
    name = pair.partition("=")[0]
    for other in (pair + ":/tmp/evil", name + "=/tmp/evil", name + "=", pair + " "):
        found = host.alert(other)
        assert found["notes"] == ["the login's environment held " + name]
        assert not rules.is_ignored(found, parts.configuration(ignore=[{"user": "deploy"}]))


def test_of_several_variables_and_values_only_the_administrators_are_left_out(host):
    host.write("/etc/environment", "MALLOC_ARENA_MAX=2\nLD_LIBRARY_PATH=/opt/lib\n")
    assert host.held("MALLOC_ARENA_MAX=2", "LD_PRELOAD=/tmp/evil.so") == ["LD_PRELOAD"]
    assert host.held("LD_LIBRARY_PATH=/opt/lib", "LD_AUDIT=/opt/lib", "MALLOC_ARENA_MAX=2") == ["LD_AUDIT"]
    # The reader decides which of two values counts, so both must be the administrator's.
    assert host.held("LD_LIBRARY_PATH=/tmp/evil", "LD_LIBRARY_PATH=/opt/lib") == ["LD_LIBRARY_PATH"]
    assert host.held("LD_LIBRARY_PATH=/opt/lib", "LD_LIBRARY_PATH=/tmp/evil") == ["LD_LIBRARY_PATH"]


def test_a_name_is_compared_as_a_whole(host):
    host.write("/etc/environment", "XLD_PRELOAD=/opt/x.so\nLD_PRELOAD2=/opt/x.so\n#LD_PRELOAD=/opt/x.so\n")
    host.write("/etc/security/pam_env.conf", "XLD_PRELOAD DEFAULT=/opt/x.so\n# LD_PRELOAD DEFAULT=/opt/x.so\n")
    assert host.held("LD_PRELOAD=/opt/x.so") == ["LD_PRELOAD"]


@pytest.mark.parametrize(
    "value", ["@{HOME}/lib", "${LD_LIBRARY_PATH}:/opt/lib", "/opt/${USER}", r"\@{HOME}", r"\${HOME}"]
)
def test_a_value_that_depends_on_the_user_is_not_the_administrators(host, value):
    host.write("/etc/security/pam_env.conf", f"LD_LIBRARY_PATH DEFAULT={value}\n")
    for expanded in (value, "/home/deploy/lib", ":/opt/lib", "/opt/deploy"):
        assert host.held("LD_LIBRARY_PATH=" + expanded) == ["LD_LIBRARY_PATH"]


@pytest.mark.parametrize("line", ["LD_PRELOAD DEFAULT=/x FOO=1", 'LD_PRELOAD DEFAULT="/x', 'LD_PRELOAD DEFAULT="/x"y'])
def test_a_line_that_pam_env_refuses_says_nothing(host, line):
    host.write("/etc/security/pam_env.conf", line + "\n")
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]


@pytest.mark.parametrize("path", ["/etc/environment", "/etc/security/pam_env.conf"])
def test_a_file_that_others_than_root_can_change_vouches_for_nothing(host, path):
    file = host.write(path, "LD_PRELOAD=/x\nLD_PRELOAD DEFAULT=/x\n")
    assert host.held("LD_PRELOAD=/x") == []
    file.chmod(0o646)
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]
    file.chmod(0o644)
    os.chown(str(file), 1, 0)
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]
    os.chown(str(file), 0, 0)
    file.parent.chmod(0o777)
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]
    file.parent.chmod(0o755)
    # A symlink to a file that a user can write.
    target = host.write("/home/deploy/environment", file.read_text())
    os.chown(str(target), 1, 1)
    file.unlink()
    file.symlink_to(target)
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]


def test_a_users_own_files_vouch_for_nothing(host):
    for name in (".pam_environment", ".ssh/environment", ".bashrc"):
        host.write("/root/" + name, "LD_PRELOAD=/x\nLD_PRELOAD DEFAULT=/x\n")
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]


@pytest.mark.parametrize("part", ["auth", "session"])
@pytest.mark.parametrize(
    ("option", "text"), [("envfile", "LD_LIBRARY_PATH=/opt/lib\n"), ("conffile", "LD_LIBRARY_PATH DEFAULT=/opt/lib\n")]
)
def test_the_files_that_the_pam_stack_names_are_read_as_well(host, part, option, text):
    file = host.write("/etc/ours", text)
    host.write("/etc/pam.d/sshd", f"{part} include system\n")
    host.write("/usr/lib/pam.d/system", f"{part} required pam_env.so {option}={file}\n")
    assert host.held("LD_LIBRARY_PATH=/opt/lib") == []
    os.chown(str(file), 1, 0)
    assert host.held("LD_LIBRARY_PATH=/opt/lib") == ["LD_LIBRARY_PATH"]


def test_an_unreadable_file_allows_nothing_and_causes_no_failure(host):
    (host.root / "etc" / "environment").mkdir(parents=True)
    os.mkfifo(str(host.root / "etc" / "ours"))
    host.write("/etc/pam.d/sshd", f"auth required pam_env.so envfile={host.root}/etc/ours conffile=relative envfile=\n")
    assert host.held("LD_PRELOAD=/x") == ["LD_PRELOAD"]


def test_a_login_without_suspicious_variables_reads_no_file(monkeypatch):
    monkeypatch.setattr(pam_environment, "values", None)
    assert Capture(NAME, HEADER + b"LANG=C\0PAM_USER=x\0PAM_SERVICE=sshd\0").notes == []
