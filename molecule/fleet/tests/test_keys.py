# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""loginwatch.pam.keys reports what real sshds take from real files, and changes nothing."""

from __future__ import annotations

import json
import shlex
from subprocess import check_output

from tests.lab.operating import KEY, NOBODY

CONFIGURATION = (
    "Match User rita\nAuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\nAuthorizedKeysCommand /bin/true\n"
)
CONFIGURATION += "AuthorizedKeysCommandUser nobody\n"
# Rita's own file is a pipe, on which whoever opens it would wait.
PLANT = """
printf %s {configuration} >> /etc/ssh/sshd_config
mkdir /etc/ssh/keys && printf 'command="=a \\\\"b\\\\"",no-pty %s =1+1\\nbroken\\n' {key} > /etc/ssh/keys/rita
cd /home/rita && install -d -o rita -m 0700 .ssh && mkfifo .ssh/authorized_keys && chown rita .ssh/authorized_keys
"""
CLEAR = "rm -rf /etc/ssh/keys /home/rita/.ssh; cp -a /root/sshd_config /etc/ssh/sshd_config"


def test_the_keys_of_a_fleet_without_a_notifier(play, servers, tmp_path):
    server = servers["debian13"]
    fingerprint = check_output(["ssh-keygen", "-lf", f"{KEY}.pub"], text=True).split()[1]  # noqa: S603, S607
    key = " ".join(KEY.with_name("key.pub").read_text().split()[:2])
    server.check_output("cp -a /etc/ssh/sshd_config /root/sshd_config")
    footprints = {name: server.check_output("sh /root/footprint.sh") for name, server in servers.items()}
    try:
        server.check_output(PLANT.format(configuration=shlex.quote(CONFIGURATION), key=shlex.quote(key)))
        run = play("keys", ("-e", f"keys_report={tmp_path}/report"), debian12_plain=NOBODY)
    finally:
        server.check_output(CLEAR)
    assert run.status != 0, "a host whose keys nobody knows must not look examined"
    assert "debian12-plain was not examined, so the report lacks its keys" in run.output
    assert (run.recap("debian13")["failed"], run.recap("debian13")["changed"]) == (0, 0), run.output
    assert {name: server.check_output("sh /root/footprint.sh") for name, server in servers.items()} == footprints
    report = json.loads((tmp_path / "report" / "keys.json").read_text())
    assert {host["host"]: host["state"] for host in report["hosts"]} == {
        "debian12-plain": "unreachable", "debian12": "examined", "debian13": "examined"
    }  # fmt: skip
    (record,) = report["keys"]
    assert (record["fingerprint"], record["bits"], record["use"]) == (fingerprint, 256, "not known")
    assert record["use_text"] == "not known; no notifier answered (debian12, debian13)"
    assert record["places"] == ["deploy on debian12, debian13", 'rita on debian13, with command="=a \\"b\\"",no-pty']
    assert set(record["comments"]) == {"ada@laptop", "=1+1"}
    assert [(fault["file"], fault["line"], fault["reason"]) for fault in report["faults"]] == [
        ("/etc/ssh/keys/rita", 2, "there is no key of a known type in it"),
        ("/home/rita/.ssh/authorized_keys", None, "it is not a regular file"),
    ]
    notes = {host["host"]: host["notes"] for host in report["hosts"]}
    assert notes["debian13"] == ["The keys that AuthorizedKeysCommand /bin/true prints are not listed."]
