# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.keys reports the keys that real sshds accept from real files, and changes nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.containers import address
from tests.lab.operating import KEY, NOBODY, SCENARIO, STRANGERS

CONFIGURATION = """
Match User rita
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u
AuthorizedKeysCommand /bin/true
AuthorizedKeysCommandUser nobody
"""
# On debian13, rita's own file is a pipe, which blocks every process that opens it.
PLANT = """
printf %s {configuration} >> /etc/ssh/sshd_config
mkdir /etc/ssh/keys && printf 'command="=a \\\\"b\\\\"",no-pty %s =1+1\\nbroken\\n' {key} > /etc/ssh/keys/rita
cd /home/rita && install -d -o rita -m 0700 .ssh && mkfifo .ssh/authorized_keys && chown rita .ssh/authorized_keys
"""
# On debian12, it has a key in each of these lines.
WRITE = "install -d -o rita -m 0700 /home/rita/.ssh && printf '%s\\n' {lines} > /home/rita/.ssh/authorized_keys"
CLEAR = "rm -rf /etc/ssh/keys /home/rita/.ssh; cp -a /root/sshd_config /etc/ssh/sshd_config"
LINES = [
    "%s", "no-pty,  %s", 'command="true \\"x\\"" %s', "command=true %s", "unheard-of %s", 'expiry-time="20200101" %s',
    'expiry-time="20990101" %s', "cert-authority %s", 'principals="rita" %s', "\t %s", 'pty,from="*",from="*" %s',
    '"%s', "# %s", "RESTRICT %s", "ssh-rsa %s", 'environment="A-B=c" %s',
]  # fmt: skip


def run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout  # noqa: S603


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> list[Path]:
    """A private key for each of the lines."""
    directory = tmp_path_factory.mktemp("rita")
    paths = [directory / str(number) for number in range(len(LINES))]
    for path in paths:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
    return paths


@pytest.fixture(scope="module")
def reported(play, servers, keys, tmp_path_factory):
    """The run and its report, while everything that it reports is still there."""
    directory = tmp_path_factory.mktemp("report")
    key = " ".join(KEY.with_name("key.pub").read_text().split()[:2])
    lines = [line % path.with_name(path.name + ".pub").read_text().strip() for line, path in zip(LINES, keys)]
    planted = [servers[name] for name in ("debian12", "debian13")]
    for server in planted:
        server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config")
    try:
        servers["debian12"].check_output(WRITE.format(lines=" ".join(map(shlex.quote, lines))))
        servers["debian13"].check_output(PLANT.format(configuration=shlex.quote(CONFIGURATION), key=shlex.quote(key)))
        before = {name: server.check_output("sh /root/footprint.sh") for name, server in servers.items()}
        done = play("keys", ("-e", f"keys_report={directory}"), debian12_plain=NOBODY)
        after = {name: server.check_output("sh /root/footprint.sh") for name, server in servers.items()}
        assert after == before
        yield done, json.loads((directory / "keys.json").read_text())
    finally:
        for server in planted:
            server.check_output(CLEAR)


def fingerprint(path: Path) -> str:
    return run("ssh-keygen", "-lf", f"{path}.pub").split()[1]


def test_the_keys_of_a_fleet_without_a_notifier(reported):
    done, report = reported
    assert done.status != 0, "a host with unknown keys must not look examined"
    assert "debian12-plain was not examined, so the report lacks its keys" in done.output
    assert (done.recap("debian13")["failed"], done.recap("debian13")["changed"]) == (0, 0), done.output
    assert {host["host"]: host["state"] for host in report["hosts"]} == {
        "debian12-plain": "unreachable", "debian12": "examined", "debian13": "examined"
    }  # fmt: skip
    (record,) = [record for record in report["keys"] if record["fingerprint"] == fingerprint(KEY)]
    assert (record["bits"], record["use"]) == (256, "not known")
    assert record["use_text"] == "not known; no notifier answered (debian12, debian13)"
    assert record["places"] == ["deploy on debian12, debian13", 'rita on debian13, with command="=a \\"b\\"",no-pty']
    assert set(record["comments"]) == {"ada@laptop", "=1+1"}
    faults = [
        (fault["file"], fault["line"], fault["reason"]) for fault in report["faults"] if fault["host"] == "debian13"
    ]
    assert faults == [
        ("/etc/ssh/keys/rita", 2, "it contains no key of a known type"),
        ("/home/rita/.ssh/authorized_keys", None, "it is not a regular file"),
    ]
    notes = {host["host"]: host["notes"] for host in report["hosts"]}
    assert notes["debian13"] == ["The keys that AuthorizedKeysCommand /bin/true prints are not listed."]


def test_sshd_takes_exactly_the_keys_that_open_an_account_in_the_report(reported, keys):
    _done, report = reported
    said = {record["fingerprint"] for record in report["keys"] if record["places"] and record["kind"] == "key"}
    host = address(f"debian12-{SCENARIO}")

    def takes(path: Path) -> bool:
        words = ["ssh", *shlex.split(STRANGERS), "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
        done = subprocess.run([*words, "-i", path, f"rita@{host}", "true"], capture_output=True, check=False)  # noqa: S603
        assert done.returncode in (0, 255), done
        return done.returncode == 0

    with ThreadPoolExecutor(4) as pool:
        taken = dict(zip(LINES, pool.map(takes, keys)))
    assert taken == {line: fingerprint(path) in said for line, path in zip(LINES, keys)}
    assert 5 < sum(taken.values()) < 10
