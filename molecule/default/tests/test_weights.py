# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message of a login says what makes it heavy, rules silence light ones, and repeats become one message."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.containers import address
from tests.lab.logins import Login, Person
from tests.lab.people import PASSWORD
from tests.lab.settings import CONFIGURATION, STATE, change, configured

testinfra_hosts = ["ansible://debian13-default", "ansible://debian12-plain-default"]

MANIFEST = "/usr/local/lib/ssh-login-notify/manifest.json"
SILENT_SECONDS = 20.0
TRIES = 5
# The types of a shell, also of one that was over too fast.
SHELLS = ["SSH (interactive)", "SSH (with a terminal, over at once)", "unknown"]
RED, ORANGE = "\U0001f534", "\U0001f7e0"
# A command that is over at once can get an uncertain type, which is not remembered. The next login's type is new then.
SLOW_COMMAND = "sleep 2"


def make_key(directory: Path, comment: str) -> tuple[Path, str]:
    """Return a key that is not in the map of people, and its line for authorized_keys."""
    key = directory / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)]
    subprocess.run(make, check=True)  # noqa: S603
    return key, key.with_suffix(".pub").read_text().strip()


@pytest.fixture
def configure(host):
    """Change settings of the installed configuration, in the form that the role writes."""
    with configured(host.check_output) as configure:
        yield configure


@pytest.fixture
def mallory(host, tmp_path):
    """A person who has added her own key to root's file."""
    key, line = make_key(tmp_path, "mallory@laptop")
    host.check_output(f"mkdir -p -m 0700 /root/.ssh && echo '{line}' > /root/.ssh/authorized_keys")
    yield Person("root", address(host.backend.hostname), tmp_path / "root", key)
    host.check_output("rm /root/.ssh/authorized_keys")


def test_root_by_a_key_that_nobody_knows_is_heavy_and_notifies_whom_a_rule_names(configure, mallory, alerts):
    configure(mentions=[{"weight": "unknown_key", "mention": "<!here>"}, {"weight": "password", "mention": "<@U0ADA>"}])
    (first,) = alerts(mallory.command(SLOW_COMMAND))
    assert first.fields["Weight"] == f"{RED} unknown key, root, first time"
    assert first.fields["Attention"].startswith("a key that nobody here knows")
    assert "the first login " in first.fields["Attention"]
    assert first.raw["mentions"] == ["<!here>"]
    (second,) = alerts(mallory.command(SLOW_COMMAND))
    assert second.fields["Weight"] == f"{RED} unknown key, root"
    assert "first" not in second.fields["Attention"]


def test_a_password_is_heavy_where_keys_are_the_rule(host, tmp_path, alerts):
    key, line = make_key(tmp_path, "grace@laptop")
    host.check_output('useradd --create-home --password "$(getent shadow rita | cut -d: -f2)" grace')
    host.check_output("install -d -o grace -m 0700 ~grace/.ssh")
    host.check_output(f"echo '{line}' > ~grace/.ssh/authorized_keys")
    where = address(host.backend.hostname)
    by_key = Person("grace", where, tmp_path / "by-key", key)
    by_password = Person("grace", where, tmp_path / "by-password", password=PASSWORD)
    alerts(by_key.command(SLOW_COMMAND), by_key.command(), by_key.command())
    assert [alerts(by_password.command())[0].fields["Weight"] for _login in range(2)] == [
        f"{RED} password, first time",
        f"{RED} password",
    ]
    host.check_output("userdel -rf grace")


def test_what_was_there_before_is_light(ada, alerts):
    alerts(ada.command(SLOW_COMMAND))
    (message,) = alerts(ada.command(SLOW_COMMAND))
    assert "Weight" not in message.fields
    assert message.header.startswith("Ada Lovelace as deploy on ")


def silent(host, how: str, logins: list) -> list[dict[str, str]]:
    """Return the entries of `status` for these logins, once all of them are `folded` or `ignored`."""
    deadline = time.monotonic() + SILENT_SECONDS
    sources = [login.source for login in logins]
    while True:
        recent = json.loads(host.check_output("ssh-login-notify status --json"))[f"recent_{how}"]
        found = {entry["from"]: entry for entry in recent}
        if all(source in found for source in sources):
            return [found[source] for source in sources]
        assert time.monotonic() < deadline, recent
        time.sleep(0.2)


@pytest.fixture
def monitoring(host):
    """A group on the host that only one of its accounts is in."""
    host.check_output("groupadd --force monitoring && gpasswd -a deploy monitoring")
    yield "monitoring"
    host.check_output("groupdel monitoring")


def test_a_rule_makes_silent_what_it_names_in_full_and_the_summary_says_how_many(
    host, configure, monitoring, ada, people, receiver, alerts
):
    known = ada.interactive()
    alerts(known, ada.sftp(), people("rita").interactive())
    rule = {
        "group": ["nobody-s", monitoring], "person": "Ada Lovelace",
        "from": ["192.0.2.1", f"{known.source.split()[0]}/32"], "type": SHELLS, "service": "sshd",
        "hours": ["00:00-12:00", "11:00-24:00"], "until": "2099-12-31", "reason": "the robot",
    }  # fmt: skip
    configure(ignore=[{**rule, "until": "2020-01-31"}, {**rule, "group": "root"}, rule], repeat_minutes=0)
    mark = receiver.last()
    login = ada.interactive()
    (entry,) = silent(host, "ignored", [login])
    assert entry["rule"] == 3
    # With another group and person, and with another type.
    alerts(people("rita").interactive(), ada.sftp())
    assert [message for message in receiver.messages(after=mark) if message.fields.get("From") == login.source] == []
    if host.file("/run/systemd/system").is_directory:
        assert entry["id"] in host.check_output("journalctl --quiet --identifier ssh-login-notify --since -10min")
    assert "rule 1 of ssh_login_notify_ignore ended on 2020-01-31" in host.run("ssh-login-notify status").stdout
    # The next morning, when the host is checked.
    host.check_output(change(f"{STATE}/summary.json", "found.update(since=found['since'] - 2 * 86400)"))
    host.check_output(f"touch -d '1 hour ago' {CONFIGURATION} {MANIFEST} {STATE}/watch.json")
    host.check_output("ssh-login-notify send")
    (message,) = receiver.wait_for(lambda message: (message.header or "").startswith("Daily summary from "), after=mark)
    assert " by the robot (group nobody-s or monitoring, from 192.0.2.1 or " in message.fields["Summary"]
    assert message.harmless


def is_folded_into(host, first: str, login: Login) -> bool:
    """Return whether a login was folded into the first one, or was reported itself, once the sender has handled it."""
    deadline = time.monotonic() + SILENT_SECONDS
    while True:
        status = json.loads(host.check_output("ssh-login-notify status --json"))
        folded = [entry["into"] for entry in status["recent_folded"] if entry["from"] == login.source]
        if folded:
            assert folded == [first]
            return True
        if any(entry["from"] == login.source for entry in status["recent_deliveries"]):
            return False
        assert time.monotonic() < deadline, status
        time.sleep(0.2)


def test_logins_that_repeat_one_are_one_message(host, configure, ada, people, receiver, alerts):
    """Shells, because their type is usually clear. One that was over too fast has another type, and is not a repeat."""
    alerts(ada.interactive(), people("rita").interactive(), ada.sftp())
    configure(repeat_minutes=5)
    for _try in range(TRIES):
        (first,) = alerts(ada.interactive())
        if first.fields["Type"] == "SSH (interactive)":
            break
    mark = receiver.last()
    logins = [ada.interactive() for _login in range(4)]
    of_other_types = [login for login in logins if not is_folded_into(host, first.ids[0], login)]
    repeats = [login for login in logins if login not in of_other_types]
    assert len(repeats) > 1, "no login was a repeat"
    (other,) = alerts(people("rita").interactive())
    (another_type,) = alerts(ada.sftp())
    assert (other.fields["User"], another_type.fields["Type"]) == ("rita", "SFTP or SCP")
    # The time window has passed.
    earlier = "[entry.update(began=entry['began'] - 600) for entry in found.values()]"
    host.check_output(change(f"{STATE}/repeats.json", earlier))
    host.check_output("ssh-login-notify flush")
    (message,) = receiver.wait_for(lambda message: "again" in (message.header or ""), after=mark)
    assert message.header.startswith("Ada Lovelace as deploy logged in again on ")
    like = f"{len(repeats)} more logins with the same address, key and type after {first.ids[0]}: "
    assert message.fields["Note"].startswith(like)
    assert message.fields["From"] == repeats[-1].source
    assert message.harmless
    of_logins = [message for message in receiver.messages(after=mark) if "User" in message.fields]
    assert len(of_logins) == 3 + len(of_other_types)
