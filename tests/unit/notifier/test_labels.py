# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""labels: a label that keeps sshd from writing is found, although this process could write."""

import errno
import os

import pytest
from ssh_login_notify import labels, paths

RIGHT = b"system_u:object_r:var_auth_t:s0\0"
WRONG = b"unconfined_u:object_r:var_spool_t:s0\0"
SSHD = b"system_u:system_r:unconfined_service_t:s0\0"
NAME = "1763884862.123456-4242"


class Host:
    """A host with SELinux, where all labels are right until a test changes one."""

    def __init__(self, root, spool, monkeypatch):
        self.spool = spool
        self.root = root
        self.labels = {}
        monkeypatch.setattr(labels, "CONTEXT", str(root / "current"))
        monkeypatch.setattr(paths, "TMPFILES", str(root / "tmpfiles.conf"))
        monkeypatch.setattr(os, "getxattr", self._getxattr, raising=False)
        self.is_in(SSHD)
        (root / "tmpfiles.conf").touch()
        os.mkdir(paths.OVERFLOW)
        for lock in ("observer.lock", "sender.lock"):
            with open(spool.path(lock), "w"):
                pass

    def is_in(self, context):
        (self.root / "current").write_bytes(context)

    def _getxattr(self, path, name, follow_symlinks=True):
        assert (name, follow_symlinks) == ("security.selinux", False)
        label = self.labels.get(path, RIGHT)
        if isinstance(label, int):
            raise OSError(label, os.strerror(label), path)
        return label

    def faults(self):
        return list(labels.faults(self.spool).values())


@pytest.fixture
def host(tmp_path, spool, monkeypatch):
    return Host(tmp_path, spool, monkeypatch)


def test_where_all_is_labelled_nothing_is_said(host):
    host.spool.write("incoming", NAME, b"x", 0o600)
    host.spool.wake()
    assert host.faults() == []


@pytest.mark.parametrize("which", ["", "incoming", "outgoing", "failed", "state", "observer.lock", "state/wake"])
def test_a_lost_label_is_reported_with_the_fix(host, which):
    host.spool.wake()
    path = host.spool.path(which).rstrip("/")
    host.labels[path] = WRONG
    (fault,) = host.faults()
    assert fault.startswith(f"{path} has the SELinux type var_spool_t, but sshd can only write to var_auth_t: ")
    assert f"`restorecon -Rv {host.spool.root}`" in fault


def test_a_capture_with_another_label_is_found(host):
    host.spool.write("incoming", NAME, b"x", 0o600)
    host.labels[host.spool.path("incoming", NAME)] = WRONG
    assert len(host.faults()) == 1


def test_a_lost_label_of_the_overflow_is_reported_too(host):
    host.labels[paths.OVERFLOW] = WRONG
    (fault,) = host.faults()
    assert f"`restorecon -Rv {paths.OVERFLOW}`" in fault
    host.labels.clear()
    os.rmdir(paths.OVERFLOW)
    (fault,) = host.faults()
    assert fault.startswith(f"SELinux is on and {paths.OVERFLOW} is missing")
    assert "systemd-tmpfiles --create" in fault


def test_selinux_that_was_enabled_after_the_role_ran_is_reported(host):
    (host.root / "tmpfiles.conf").unlink()
    assert any("tmpfiles.conf is missing: run the role again" in fault for fault in host.faults())
    os.rmdir(paths.OVERFLOW)
    assert len(host.faults()) == 2


@pytest.mark.parametrize(
    "context",
    [
        b"",
        b"unconfined\n",
        b"docker-default (enforce)\n",
        b"kernel\0",
        b"system_u:system_r:container_t:s0:c1,c2\0",
        b"system_u:system_r:container_init_t:s0:c1,c2\0",
        b"unconfined_u:system_r:spc_t:s0-s0:c0.c1023\0",
        b"\xff\xfe",
    ],
)
def test_without_selinux_and_in_containers_nothing_is_said(host, context):
    (host.root / "tmpfiles.conf").unlink()
    os.rmdir(paths.OVERFLOW)
    host.labels[host.spool.root] = WRONG
    host.is_in(context)
    assert host.faults() == []


@pytest.mark.parametrize("code", [errno.ENODATA, errno.ENOTSUP, errno.ENOENT])
def test_no_label_at_all_is_a_kernels_that_has_no_selinux(host, code):
    host.labels[host.spool.root] = code
    assert host.faults() == []


@pytest.mark.parametrize("label", [errno.EACCES, b"nonsense", b"\xff:\xff:\x1b[31m:\xff"])
def test_a_label_that_can_not_be_read_is_not_the_right_one(host, label):
    host.labels[host.spool.root] = label
    (fault,) = host.faults()
    assert "\x1b" not in fault


def test_without_a_spool_its_labels_are_not_the_trouble(host):
    os.rename(host.spool.root, host.spool.root + ".away")
    assert host.faults() == []
