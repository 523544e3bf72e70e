# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attackers in the network, or in Slack's place, can't divert an alert or exhaust memory. They can only delay it.

The scenario outage has certificates that must be rejected, and the unit tests have more answers.
"""

from __future__ import annotations

import time

import pytest
from attacks.setup import usual_notifier

# The unit tests of the transport give such answers to each Python.
testinfra_hosts = ["ansible://debian13-attacks"]

ELSEWHERE = "/services/T00000000/B00000000/not-a-real-secret-elsewhere"
MOST_MIB = 60.0  # for a sender
# Answers that are given once. Our sender retries after a second, and then the receiver answers normally.
ANSWERS = {
    "a redirect to http://": {"mode": "redirect", "location": "http://receiver:8080" + ELSEWHERE},
    "a redirect elsewhere": {"mode": "redirect", "location": "https://receiver:8443" + ELSEWHERE, "status": 303},
    "an answer of 10 GB": {"mode": "huge", "delivered": False},
    "a gzip bomb": {"mode": "huge", "gzip": True, "delivered": False},
    "headers without end": {"mode": "endless", "part": "headers"},
    "a header without end": {"mode": "endless", "part": "line"},
}
USUAL, SENDER = "python3 /usr/local/bin/[u]sual-notifier", "[s]sh-login-notify send"
LOOKED_AT_SECONDS = 2.0


def most_memory(host, pattern: str, seconds: float) -> float:
    """Return the most memory, in MiB, that such a process used in this time, or until none is running."""
    most, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = host.run(f"cat $(pgrep -f '{pattern}' | sed 's,.*,/proc/&/status,') 2> /dev/null | grep VmHWM").stdout
        sizes = [int(line.split()[1]) / 1024 for line in found.splitlines()]
        most = max([most, *sizes])
        if most and not sizes:
            break
        time.sleep(0.05)
    return most


def gained(host, receiver, mark: int, pattern: str) -> str:
    """Return what the attacker gained from the answer."""
    most = most_memory(host, pattern, LOOKED_AT_SECONDS)
    if any(message.raw["path"] == ELSEWHERE for message in receiver.attempts(after=mark)):
        return "goes where it is sent"
    return f"takes {most:.0f} MiB and more" if most > MOST_MIB else ""


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_a_strangers(answer, host, intruder, receiver, is_told_by_the_usual, verdict):
    mark = receiver.last()
    with usual_notifier(host), receiver.misbehaving({**ANSWERS[answer], "times": 1}):
        login = intruder.command("true")
        usual = gained(host, receiver, mark, USUAL) or ("" if is_told_by_the_usual(login) else "is silent")
    mark = receiver.last()
    with receiver.misbehaving({**ANSWERS[answer], "times": 1}):
        login = intruder.command("true")
        ours = gained(host, receiver, mark, SENDER)
        verdict(answer, usual, ours, [login])
