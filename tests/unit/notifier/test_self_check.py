# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""self_check: a new problem is reported once, and its end once, and nothing is reported twice."""

import json
import os
import time

import parts
import pytest
from parts import PAM_LINE, needs_root
from ssh_login_notify import alert, config, overflow, paths, self_check, sshds
from ssh_login_notify.installation import UNSETTLED_SECONDS
from ssh_login_notify.last_check import PERIOD_SECONDS
from ssh_login_notify.spool import Spool

pytestmark = needs_root
GONE = "session required pam_unix.so\n"


class Host:
    """A host that is checked, and the messages in the channel."""

    def __init__(self, root, monkeypatch, spool):
        self.spool = spool
        self.pam, library = parts.make_well(root, monkeypatch)
        self.manifest = str(library / "manifest.json")
        self.configuration = root / "ssh-notify.conf"
        self.configuration.write_text(json.dumps({"webhook_url": parts.WEBHOOK}))
        self.configuration.chmod(0o600)
        monkeypatch.setattr(config.load, "__defaults__", (str(self.configuration),))

    def look(self):
        """Run a check, and return the problems in each new message."""
        self_check.run(self.spool)
        told = []
        for name in self.spool.names("outgoing"):
            found = alert.from_json(self.spool.read("outgoing", name))
            assert found["about"] == alert.SELF_CHECK
            told.append([sentence.partition(": ")[0] for sentence in found["notes"]])
            self.spool.remove("outgoing", name)
        return told


@pytest.fixture
def host(tmp_path, monkeypatch, spool, said):
    return Host(tmp_path, monkeypatch, spool)


def test_where_all_is_well_there_is_nothing_to_tell(host):
    assert host.look() == []
    assert host.look() == []


def test_a_missing_pam_line_is_reported_once_and_so_is_its_return(host, said):
    text = host.pam.read_text()
    host.pam.write_text(GONE)
    assert host.look() == [[f"the PAM line in {host.pam} is gone"]]
    assert "is gone" in said[0][1]
    assert host.look() == []
    host.pam.write_text(text)
    assert host.look() == [[]]
    assert host.look() == []


def test_another_problem_is_reported_along_with_the_first(host, said):
    host.pam.write_text(GONE)
    host.look()
    host.configuration.chmod(0o644)
    (told,) = host.look()
    assert told == [f"users other than root can read {config.PATH}", f"the PAM line in {host.pam} is gone"]
    assert len(said) == 2, "the log was told of each once"
    host.pam.write_text(f"{PAM_LINE}\n{GONE}")
    assert host.look() == [[f"users other than root can read {config.PATH}"]]


def test_a_growing_number_is_not_reported_again(host):
    for number in (1, 2):
        host.spool.write("failed", f"{number}.5-1", b"x", 0o640)
        told = host.look()
        assert len(told) == (1 if number == 1 else 0)


def test_delivery_problems_are_not_queued(host):
    host.spool.write("outgoing", "1.5-1", alert.to_json(parts.alert(id="1.5-1")), 0o640)
    self_check.run(host.spool)
    assert host.spool.names("outgoing") == ["1.5-1"]


def test_a_kill_in_between_does_not_prevent_the_report(host, monkeypatch):
    host.pam.write_text(GONE)
    write = host.spool.write

    def killed(directory, *values, **more):
        if directory == "state" and host.spool.names("outgoing"):
            raise KeyboardInterrupt
        write(directory, *values, **more)

    with monkeypatch.context() as kill:
        kill.setattr(host.spool, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            self_check.run(host.spool)
    assert host.look() == [[f"the PAM line in {host.pam} is gone"]] * 2


def test_nothing_is_said_over_and_over_where_it_can_not_be_noted_that_it_was(host):
    host.pam.write_text(GONE)
    os.rmdir(host.spool.path("state"))
    parts.Path(paths.OVERFLOW).touch()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            self_check.run(host.spool)
    os.mkdir(host.spool.path("state"))
    assert host.spool.names("outgoing") == []


def test_with_a_full_spool_the_channel_still_gets_one_report(host, said):
    age(host.manifest, UNSETTLED_SECONDS + 1)
    os.rmdir(host.spool.path("state"))
    os.rmdir(host.spool.path("outgoing"))
    for _ in range(2):
        self_check.run(host.spool)
    (name,) = overflow.names()
    assert alert.from_json(Spool(paths.OVERFLOW).read("", name))["notes"] == [said[0][1]]
    assert len(said) == 1
    assert not self_check.is_due(host.spool)
    overflow.forget(name)
    for directory in ("state", "outgoing"):
        os.mkdir(host.spool.path(directory))
    assert host.look() == [[]]
    assert host.look() == []
    assert not os.path.exists(os.path.join(paths.OVERFLOW, self_check.FILE))


@pytest.mark.each
@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize("memory", [b"", b"[]", b'{"told": 3}', b'{"told": [3, {}]}', b"[" * 100000])
def test_a_damaged_record_of_the_last_report_counts_as_none(host, memory):
    host.spool.write("state", self_check.FILE, memory, 0o640)
    assert host.look() == []
    host.pam.write_text(GONE)
    assert len(host.look()) == 1


def test_where_proc_is_hidden_an_sshd_that_is_not_seen_is_not_repaired(host, monkeypatch):
    """The watch against tampering, which sees it, has reported it. The sender's sandbox hides it."""
    fault = sshds.Fault("/usr/sbin/sshd -p2222", "an sshd runs with UsePAM no", "set UsePAM yes")
    with monkeypatch.context() as seeing:
        seeing.setattr(sshds, "faults", lambda _sshds, _services: [fault])
        assert host.look() == [["an sshd runs with UsePAM no"]]
    with monkeypatch.context() as blind:
        blind.setattr(self_check, "FIRST_PROCESS", "/nowhere")
        assert host.look() == []
        host.configuration.chmod(0o644)
        assert host.look() == [[f"users other than root can read {config.PATH}"]]
        host.configuration.chmod(0o600)
        assert len(host.look()) == 1
    assert host.look() == [[]], "who sees all processes sees that it is gone"


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_it_is_due_some_minutes_after_the_last_look_and_not_while_the_role_may_be_at_work(host, monkeypatch):
    age(host.manifest, UNSETTLED_SECONDS + 1)
    assert self_check.is_due(host.spool)
    self_check.run(host.spool)
    assert not self_check.is_due(host.spool)
    age(host.spool.path("state", self_check.FILE), PERIOD_SECONDS + 1)
    assert self_check.is_due(host.spool)
    age(host.spool.path("state", self_check.FILE), -3600)
    assert self_check.is_due(host.spool), "the clock was set back"
    age(host.manifest, UNSETTLED_SECONDS - 5)
    assert not self_check.is_due(host.spool)
    age(host.manifest, UNSETTLED_SECONDS + 1)
    host.configuration.touch()
    monkeypatch.setattr(paths, "CONFIGURATION", str(host.configuration))
    assert not self_check.is_due(host.spool), "its PAM line may be about to come"
    age(str(host.configuration), UNSETTLED_SECONDS + 1)
    os.unlink(host.manifest)
    assert self_check.is_due(host.spool)
