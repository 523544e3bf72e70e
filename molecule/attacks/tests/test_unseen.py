# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins that keep the notifier from running at all, so that they would leave no trace of their own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.setup import usual_notifier

from tests.lab.logins import Person

testinfra_hosts = ["ansible://systemd"]

KEYS = "/home/intruder/.ssh/authorized_keys"
# Bytes of a key id. sshd puts the certificate in Base64 into one environment variable, and Linux accepts 128 KiB per
# variable: the longest that fits, one that does not fit, and about the longest that sshd accepts.
FITS, TOO_LONG, LONGEST = 97_000, 99_000, 125_000


@pytest.fixture
def certified(host, intruder, tmp_path) -> Iterator[object]:
    """The intruder's own authority. Everybody who can write their own authorized_keys can set one up.

    certified(length) is the intruder with a certificate whose key id has this length.
    """
    authority = tmp_path / "authority"
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority)
    line = "cert-authority " + authority.with_suffix(".pub").read_text().strip()
    host.check_output(f"cp -p {KEYS} {KEYS}.kept && echo {shlex.quote(line)} >> {KEYS}")

    def with_certificate(length: int) -> Person:
        key = tmp_path / f"key-{length}"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        _run("ssh-keygen", "-q", "-s", authority, "-I", "a" * length, "-n", "intruder", key.with_suffix(".pub"))
        return Person("intruder", intruder.address, tmp_path / str(length), key)

    yield with_certificate
    host.check_output(f"mv {KEYS}.kept {KEYS}")


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)  # noqa: S603


@pytest.mark.parametrize("length", [TOO_LONG, LONGEST])
def test_a_certificate_that_is_too_long_for_any_program(host, certified, length, is_told_by_the_usual, verdict):
    person = certified(length)
    with usual_notifier(host):
        usual = "" if is_told_by_the_usual(person.command()) else "no trace"
    messages = verdict(f"a certificate with a key id of {length:,} bytes", usual, "", [person.command()])
    (message,) = messages
    assert message.alerts[0].key == "too-long-to-show"
    assert "the hook could not be run with what sshd said" in message.text


def test_the_longest_certificate_that_is_not_too_long_is_shown(certified, told):
    login = certified(FITS).command()
    (message,) = told(login)
    assert message.alerts[0].key.startswith("publickey ED25519-CERT SHA256:")
    assert "could not be run" not in message.text
