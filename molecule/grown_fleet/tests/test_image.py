# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image that is built in a chroot, where neither systemd nor sshd runs, and a server that is started from it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra

from tests.lab.command import as_root, docker, output
from tests.lab.containers import LIKE_A_HOST, SYSTEMD, address, running
from tests.lab.deploy import SECRET, url
from tests.lab.logins import LoginError, Person
from tests.lab.operating import ENVIRONMENT, KEY, SCENARIO

# A server with accounts, to which nobody has deployed.
MODEL = f"debian12-{SCENARIO}"
IMAGE = f"loginwatch/baked-{SCENARIO}"
NAME = "born-later"
SPOOL = "var/spool/ssh-login-notify"
PLAYBOOK_SECONDS = 240
BOOT_SECONDS = 60


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The root file system of a server, without the host keys that each server generates for itself."""
    with tempfile.TemporaryDirectory(prefix="loginwatch-root-") as directory:
        path = Path(directory) / "root"
        path.mkdir()
        archive = Path(directory) / "root.tar"
        docker("export", "--output", archive, MODEL)
        output(*as_root("tar", "-x", "--numeric-owner", "-f", archive, "-C", path))
        output(*as_root("sh", "-c", f"rm {path}/etc/ssh/ssh_host_*"))
        yield path
        output(*as_root("rm", "-rf", "--one-file-system", path))


def play(root: Path, playbook: str, *extra: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the image. chroot(2) needs root."""
    settings = {
        "ansible_connection": "community.general.chroot",
        "ansible_become": "false",
        "ssh_login_notify_offline": "true",
        "ssh_login_notify_webhook_url": url(SECRET),
        "ssh_login_notify_ca_file": "/etc/ssl/certs/receiver.pem",
    }
    words = ["ansible-playbook", f"loginwatch.pam.{playbook}", "-i", f"{root},"]
    for name, value in settings.items():
        words += ["-e", f"{name}={value}"]
    # As in a terminal that the builder has opened over SSH.
    environment = [f"{name}={ENVIRONMENT[name]}" for name in ("PATH", "ANSIBLE_COLLECTIONS_PATH")]
    command = as_root("env", *environment, "SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22", *words, *extra)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PLAYBOOK_SECONDS)  # noqa: S603


@contextmanager
def server_from(root: Path) -> Iterator[testinfra.host.Host]:
    """Start a server from the image, with a host name that the image does not know."""
    archive = root.parent / "image.tar"
    output(*as_root("tar", "-c", "--numeric-owner", "-f", archive, "-C", root, "."))
    docker("import", archive, IMAGE)
    container = f"{NAME}-{SCENARIO}"
    options = (f"--hostname={NAME}", *SYSTEMD, *LIKE_A_HOST)
    boot = ("sh", "-c", "ssh-keygen -A && exec /sbin/init")
    try:
        with running(IMAGE, container, f"loginwatch-{SCENARIO}", f"loginwatch={SCENARIO}", *options, command=boot):
            yield testinfra.get_host(f"docker://{container}")
    finally:
        docker("rmi", IMAGE)


@pytest.fixture(scope="module")
def baked(root, receiver) -> None:
    """The image, with the notifier in it."""
    mark = receiver.last()
    done = play(root, "deploy", "--check")
    assert done.returncode == 0, done.stdout
    assert not (root / "usr/local/bin/ssh-login-notify").exists()
    done = play(root, "deploy")
    assert done.returncode == 0, done.stdout
    wants = output(*as_root("find", root / "etc/systemd/system", "-name", "ssh-login-notify*", "-type", "l"))
    assert sorted(path.rpartition("/")[2] for path in wants.splitlines()) == [
        "ssh-login-notify-follow.path", "ssh-login-notify-path.timer", "ssh-login-notify-tamper.timer",
        "ssh-login-notify.path", "ssh-login-notify.timer",
    ]  # fmt: skip
    assert output(*as_root("find", root / SPOOL, "-type", "f")) == "", "each server would send the image's alerts"
    again = play(root, "deploy")
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    receiver.settle()
    assert receiver.attempts(after=mark) == [], "nothing is sent from an image"


@pytest.mark.usefixtures("baked")
def test_a_server_from_an_image_tells_of_its_first_login_under_its_own_name(root, receiver):
    mark = receiver.last()
    with server_from(root) as server, tempfile.TemporaryDirectory(prefix="people-") as directory:
        ada = Person("deploy", address(f"{NAME}-{SCENARIO}"), Path(directory) / "ada", KEY)
        login = first_login(ada)
        found = receiver.wait_for(lambda message: message.fields.get("From") == login.source, after=mark)
        assert [message.fields["Server"] for message in found] == [NAME]
        assert server.check_output("systemctl is-active ssh-login-notify.path ssh-login-notify.timer").split() == [
            "active", "active"
        ]  # fmt: skip


def first_login(person: Person):
    """Return the first login that the server accepts, while it is still starting."""
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            return person.command("true")
        except LoginError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.5)


@pytest.mark.usefixtures("baked")
def test_it_is_taken_out_of_an_image_again(root):
    done = play(root, "remove", "-e", "target=all")
    assert done.returncode == 0, done.stdout
    left = output(*as_root("find", root / "etc", root / "usr/local", root / "var/spool", "-name", "*ssh-login-notify*"))
    assert left == ""
    # An administrator's comment in it need not be UTF-8.
    assert b"ssh-login-notify" not in (root / "etc/pam.d/sshd").read_bytes()
