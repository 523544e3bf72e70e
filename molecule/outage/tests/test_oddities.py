# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unexpected files in the spool do no harm: logins are reported, and an operator is informed."""

from __future__ import annotations

import time

import pytest
from outage.server import SPOOL, WATCH

testinfra_hosts = ["ansible://debian13-outage", "ansible://plain"]

NAME = "1763884862.123456-4242"
# As the hook, the finisher and the sender leave them when they are killed while writing.
HALF_WRITTEN = [
    f"incoming/.{NAME}",
    f"incoming/.{NAME}.alert.77",
    f"outgoing/.{NAME}.77",
    f"failed/.{NAME}.answer.77",
    "state/.sender.json.77",
]
# Files of others. Some have the name of an alert.
FOREIGN = {
    "README": "echo not an alert > {}",
    "directory": "mkdir {}",
    "1763884862.1-1": "mkdir {}",
    "1763884862.1-2": "ln -s /etc/shadow {}",
}
# The watch logs problems some time after its last look, but not right after an installation, because the role can
# still be running.
INSTALLED = "/usr/local/lib/ssh-login-notify/manifest.json /usr/local/etc/ssh-notify.conf"
WATCHED = f"rm {WATCH} && touch -d '1 hour ago' {INSTALLED}"
DIES_WITH_THE_LOCK = """
import os, sys
for path in sys.argv[1:]:
    lock = os.open(path, os.O_RDWR | os.O_TRUNC)
    os.lockf(lock, os.F_LOCK, 0)
    os.write(lock, b"4242")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def assert_reported(server, ada, outcome, rows):
    """Assert that logins are reported, whatever is in the spool: assert_reported("a README")."""

    def assert_reported(what: str) -> None:
        logins = [ada.command(), ada.command()]
        found = outcome(logins)
        found.assert_each_told_once()
        rows.append(found.row(f"{server.name}: {what}"))

    return assert_reported


def test_a_lock_file_whose_owner_was_killed(server, assert_reported):
    locks = f"{SPOOL}/observer.lock {SPOOL}/sender.lock"
    server.run(f"! python3 -c '{DIES_WITH_THE_LOCK}' {locks}")
    assert server.run(f"cat {locks}") == "42424242", "the locks were not held"
    assert_reported("a stale lock")


def test_half_written_files_go_after_an_hour(server, assert_reported):
    fresh = [f"{path}7" for path in HALF_WRITTEN]
    server.run(f"cd {SPOOL} && touch {' '.join(fresh)} && touch -d '61 minutes ago' {' '.join(HALF_WRITTEN)}")
    assert_reported("half-written files")
    left = server.run(f"cd {SPOOL} && find . -mindepth 2 -name '.*'").split()
    assert sorted(left) == sorted(f"./{path}" for path in fresh), "files that can still be written to must stay"


def test_what_is_not_ours_is_left_alone(server, assert_reported):
    began = time.time()
    paths = {f"{directory}/{name}": FOREIGN[name] for directory in ("incoming", "outgoing") for name in FOREIGN}
    for path, command in paths.items():
        server.run(command.format(f"{SPOOL}/{path}"))
    look = f"cd {SPOOL} && stat -c '%n %F %s %i' {' '.join(paths)} && stat -c '%a %U' /etc/shadow"
    before = server.run(look)
    server.run(WATCHED)
    assert_reported("foreign files")
    assert server.run(look) == before, "nothing has changed it"
    code, status = server.status()
    (problem,) = [problem for problem in status["problems"] if "unexpected files" in problem]
    assert code == 1
    assert f"and {len(paths) - 3} more" in problem
    if server.has_systemd:
        assert problem in server.log(since=began)


def test_an_alert_of_another_version(server, assert_reported):
    began = time.time()
    server.run(f"""echo '{{"version": 0, "id": "{NAME}"}}' > {SPOOL}/outgoing/{NAME}""")
    assert_reported("an alert of an older version")
    assert server.names("failed") == [NAME, f"{NAME}.answer"]
    assert "not an alert of this version" in server.run(f"cat {SPOOL}/failed/{NAME}.answer")
    code, status = server.status()
    assert (code, status["failed"]) == (2, 1)
    assert any("not an alert of this version" in problem for problem in status["problems"])
    if server.has_systemd:
        assert NAME in server.log(since=began)
