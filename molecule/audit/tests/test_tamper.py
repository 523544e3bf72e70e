# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tampering with the notifier or with sshd is reported within a minute, with the users who were logged in."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from tests.lab.faults.fault import CONFIGURATION, KEPT, LIBRARY, STACK
from tests.lab.receiver.client import Message

testinfra_hosts = ["ansible://debian13-audit"]

PROMISED_SECONDS = 60
# The longest time between two looks, because a look that finds something pauses.
LOOK_SECONDS = 50
TIMER = "ssh-login-notify-tamper.timer"
UNIT = "/etc/systemd/system/ssh-login-notify.service"
MODULE = f"{LIBRARY}/geo_database.py"
BYTE_CODE = f"{LIBRARY}/__pycache__/geo_database.cpython-30.pyc"
SETTINGS = "/etc/ssh/sshd_config.d/00-tamper.conf"
LIMITS = "/run/systemd/system/ssh.service.d/limits.conf"
# Some lines of sshd for each connection. On a large disk journald accepts more than its limit (burst_modulate in
# journald-rate-limit.c: six times as many if a terabyte is free).
FLOOD = "for each in $(seq {}); do exec 3<>/dev/tcp/127.0.0.1/22; exec 3>&-; done"
INTERVAL_SECONDS = 10
# what the message says -> (tampers, reverts)
KINDS = {
    f"the PAM line in {STACK} is gone": (
        f"cp -a {STACK} {KEPT}; sed -i /ssh-login-notify/d {STACK}",
        f"mv {KEPT} {STACK}",
    ),
    f"files differ from what the role installed ({UNIT}, {MODULE}, {BYTE_CODE})": (
        f"cp -a {MODULE} /root/module; echo '# changed' >> {MODULE}; touch {BYTE_CODE}",
        f"mv /root/module {MODULE}; rm {BYTE_CODE}",
    ),
    "the systemd unit ssh-login-notify.service is masked": (
        f"mv {UNIT} /root/unit; ln -s /dev/null {UNIT}; systemctl daemon-reload",
        f"mv /root/unit {UNIT}; systemctl daemon-reload; systemctl start ssh-login-notify.path",
    ),
    "the settings of sshd have changed (PermitUserEnvironment no → yes)": (
        f"echo 'PermitUserEnvironment yes' > {SETTINGS}; systemctl reload ssh",
        f"rm {SETTINGS}; systemctl reload ssh",
    ),
}
DROPPED = "messages of ssh.service in the last hour"


@pytest.fixture(scope="module")
def settled(host, receiver):
    """Wait until nothing was installed lately, and a look has found no problem."""
    host.check_output(f"touch -d '1 hour ago' {LIBRARY}/../manifest.json {CONFIGURATION}")
    assert host.service(TIMER).is_running
    time.sleep(LOOK_SECONDS)
    receiver.settle()


def tell(receiver, mark: int, deadline: float, *words: str, without: Iterable[str] = ()) -> Message:
    """Wait for a message that contains all these words and none of the others, and return the first one."""

    def is_it(message: Message) -> bool:
        text = str(message.raw)
        return all(word in text for word in words) and not any(word in text for word in without)

    return receiver.wait_for(is_it, after=mark, timeout=deadline - time.time())[0]


@pytest.fixture(scope="module")
def tampered(host, ada, receiver, settled):
    """Tamper in every way at once while somebody is logged in, collect what is reported of each, and revert it."""
    text = f"[Service]\\nLogRateLimitIntervalSec={INTERVAL_SECONDS}s\\nLogRateLimitBurst=3\\n"
    limits = f"mkdir -p $(dirname {LIMITS}); printf '{text}' > {LIMITS}"
    # After the interval, journald reports the number of dropped lines in front of the next line.
    flood = f"bash -c '{FLOOD.format(40)}'; sleep {INTERVAL_SECONDS + 1}; bash -c '{FLOOD.format(1)}'"
    host.check_output(f"{limits}; systemctl daemon-reload; systemctl restart ssh")
    with ada.shared() as connection:
        mark = receiver.last()
        host.check_output(f"{flood}; set -e; " + "; ".join(tampers for tampers, _reverts in KINDS.values()))
        deadline = time.time() + PROMISED_SECONDS
        told = {sentence: tell(receiver, mark, deadline, sentence) for sentence in (*KINDS, DROPPED)}
        mark = receiver.last()
        host.check_output("set -e; " + "; ".join(reverts for _tampers, reverts in KINDS.values()))
        tell(receiver, mark, time.time() + PROMISED_SECONDS, DROPPED, without=KINDS)
        yield connection, told, mark
    host.check_output(f"rm {LIMITS}; systemctl daemon-reload; systemctl restart ssh")


@pytest.mark.parametrize("sentence", [*KINDS, DROPPED])
def test_it_is_told_within_a_minute_with_who_was_logged_in_although_the_sender_is_masked(tampered, sentence):
    connection, told, _mark = tampered
    address = connection.source.partition(" ")[0]
    assert f"deploy (Ada Lovelace) from {address} since " in told[sentence].fields["Logged in"]


def test_the_repair_is_told_once(tampered, receiver):
    """Lines that journald has dropped are reported for an hour, changes of sshd's settings immediately."""
    _connection, _told, mark = tampered
    time.sleep(LOOK_SECONDS)
    receiver.settle()
    texts = [str(message.raw) for message in receiver.messages(after=mark) if "Logged in" in message.fields]
    assert sum("PermitUserEnvironment yes → no" in text for text in texts) == 1
    assert sum(not any(sentence in text for sentence in KINDS) for text in texts) == 1


def test_a_reload_and_a_restart_with_the_same_settings_are_not_told(host, tampered, receiver):
    mark = receiver.last()
    host.check_output("systemctl reload ssh; touch /etc/ssh/sshd_config; systemctl restart ssh")
    time.sleep(LOOK_SECONDS)
    receiver.settle()
    assert receiver.messages(after=mark) == []


def test_a_look_at_a_host_as_it_was_writes_no_line_into_the_journal(host):
    told = host.check_output("journalctl -q --no-pager -o cat -u ssh-login-notify-tamper.service --since -20s")
    assert "tarted" not in told
