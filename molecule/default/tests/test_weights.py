# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message of a login says what makes it heavy, and logins that repeat one become one message."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.lab.containers import address
from tests.lab.logins import Person
from tests.lab.people import PASSWORD

testinfra_hosts = ["ansible://debian13-default", "ansible://debian12-plain-default"]

CONFIGURATION = "/usr/local/etc/ssh-notify.conf"
STATE = "/var/spool/ssh-login-notify/state"
RED, ORANGE = "\U0001f534", "\U0001f7e0"
# Changes a JSON file in place. What is written is Python, with `found` for the file's content.
CHANGE = "import json; file = open({path!r}, 'r+'); found = json.load(file); {how}; file.seek(0); file.truncate()"


def change(host, path: str, how: str) -> None:
    program = CHANGE.format(path=path, how=how) + "; json.dump(found, file)"
    host.check_output(f"python3 -c {shlex.quote(program)}")


def make_key(directory: Path, comment: str) -> tuple[Path, str]:
    """A key that nobody in the map has, and its line for authorized_keys."""
    key = directory / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)]
    subprocess.run(make, check=True)  # noqa: S603
    return key, key.with_suffix(".pub").read_text().strip()


@pytest.fixture
def configure(host):
    """Change settings of the installed configuration, as the role would write them."""
    host.check_output(f"cp -p {CONFIGURATION} /root/as-deployed.conf")

    def settings(**values: object) -> None:
        change(host, CONFIGURATION, f"found.update({values!r})")

    yield settings
    host.check_output(f"mv /root/as-deployed.conf {CONFIGURATION}")


@pytest.fixture
def mallory(host, tmp_path):
    """Somebody who has put a key of her own into root's file."""
    key, line = make_key(tmp_path, "mallory@laptop")
    host.check_output(f"mkdir -p -m 0700 /root/.ssh && echo '{line}' > /root/.ssh/authorized_keys")
    yield Person("root", address(host.backend.hostname), tmp_path / "root", key)
    host.check_output("rm /root/.ssh/authorized_keys")


def test_root_by_a_key_that_nobody_knows_is_heavy_and_notifies_whom_a_rule_names(configure, mallory, alerts):
    configure(mentions=[{"weight": "unknown_key", "mention": "<!here>"}, {"weight": "password", "mention": "<@U0ADA>"}])
    (first,) = alerts(mallory.command())
    assert first.fields["Weight"] == f"{RED} unknown key, root, first time"
    assert first.fields["Attention"].startswith("a key that nobody here knows")
    assert "the first login " in first.fields["Attention"]
    assert first.raw["mentions"] == ["<!here>"]
    (second,) = alerts(mallory.command())
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
    alerts(by_key.command(), by_key.command(), by_key.command())
    assert [alerts(by_password.command())[0].fields["Weight"] for _login in range(2)] == [
        f"{RED} password, first time",
        f"{RED} password",
    ]
    host.check_output("userdel -r grace")


def test_what_was_there_before_is_light(ada, alerts):
    alerts(ada.command())
    (message,) = alerts(ada.command())
    assert "Weight" not in message.fields
    assert message.header.startswith("Ada Lovelace as deploy on ")


def test_logins_that_repeat_one_are_one_message(host, configure, ada, people, receiver, alerts):
    alerts(ada.command(), people("rita").command())
    configure(repeat_minutes=5)
    (first,) = alerts(ada.command())
    mark = receiver.last()
    repeats = [ada.command() for _login in range(3)]
    (other,) = alerts(people("rita").command())
    assert other.fields["User"] == "rita"
    (another_type,) = alerts(ada.sftp())
    assert another_type.fields["Type"] != first.fields["Type"]
    status = json.loads(host.check_output("ssh-login-notify status --json"))
    assert [entry["into"] for entry in status["recent_folded"]][-3:] == first.ids * 3
    assert [entry["from"] for entry in status["recent_folded"]][-3:] == [login.source for login in repeats]
    # The minutes are over.
    change(host, f"{STATE}/repeats.json", "[entry.update(began=entry['began'] - 600) for entry in found.values()]")
    host.check_output("ssh-login-notify flush")
    (message,) = receiver.wait_for(lambda message: "again" in (message.header or ""), after=mark)
    assert message.header.startswith("Ada Lovelace as deploy logged in again on ")
    assert message.fields["Note"].startswith(f"3 more logins like {first.ids[0]}: ")
    assert message.fields["From"] == repeats[-1].source
    assert message.harmless
    assert len(receiver.messages(after=mark)) == 3
