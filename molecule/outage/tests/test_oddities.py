# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nobody has put into the spool on purpose is survived: logins are reported, and an operator is told."""

from __future__ import annotations

import time
from pathlib import PurePath

import pytest
from outage.server import SPOOL

testinfra_hosts = ["ansible://servers"]

NAME = "1763884862.123456-4242"
# As a kill leaves them while they are being written: by the hook, the finisher, the sender.
HALF_WRITTEN = [
    f"incoming/.{NAME}",
    f"incoming/.{NAME}.alert.77",
    f"outgoing/.{NAME}.77",
    f"failed/.{NAME}.answer.77",
    "state/.sender.json.77",
]
# By the first word of the command that makes them.
FOREIGN = {
    "a file": "echo not an alert > {}",
    "a directory": "mkdir {}",
    "a link": "ln -s /etc/shadow {}",
}
PLACES = ["incoming/README", "outgoing/README", f"incoming/{NAME}", f"outgoing/{NAME}"]
DIES_WITH_THE_LOCK = """
import os, sys
for path in sys.argv[1:]:
    os.lockf(os.open(path, os.O_RDWR | os.O_CREAT), os.F_LOCK, 0)
    os.write(3, b"4242")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def assert_reported(server, ada, outcome, rows):
    """Logins are reported, whatever lies there: assert_reported("a README")."""

    def assert_reported(what: str) -> None:
        logins = [ada.command(), ada.command()]
        found = outcome(logins)
        found.assert_each_told_once()
        rows.append(found.row(f"{server.name}: {what}"))

    return assert_reported


def test_a_lock_file_whose_owner_was_killed(server, assert_reported):
    locks = f"{SPOOL}/observer.lock {SPOOL}/sender.lock"
    server.run(f"! python3 -c '{DIES_WITH_THE_LOCK}' {locks}")
    assert server.run(f"cat {locks}"), "the locks were not held"
    assert_reported("a stale lock")


def test_half_written_files_go_after_an_hour(server, assert_reported):
    fresh = [f"{path}7" for path in HALF_WRITTEN]
    server.run(f"cd {SPOOL} && touch {' '.join(fresh)} && touch -d '61 minutes ago' {' '.join(HALF_WRITTEN)}")
    assert_reported("half-written files")
    left = server.run(f"cd {SPOOL} && find . -mindepth 2 -name '.*'").split()
    assert sorted(left) == sorted(f"./{path}" for path in fresh), "what may still be written has to stay"


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_ours(what, place, server, assert_reported):
    began = time.time()
    path = f"{SPOOL}/{place}"
    server.run(FOREIGN[what].format(path))
    before = server.run(f"stat -c '%F %s %i' {path}")
    assert_reported(f"{what}: {place}")
    code, status = server.status()
    name = PurePath(place).name
    assert code in (1, 2), "status does not tell"
    assert name in server.run(f"ls {SPOOL}/*"), "it is gone"
    assert server.run("stat -c '%a %U' /etc/shadow") == "640 root"
    if name == "README":
        assert server.run(f"stat -c '%F %s %i' {path}") == before, "it is nobody's to touch"
        assert any(place in problem for problem in status["problems"]), status["problems"]
    if server.has_systemd:
        assert name in server.log(since=began)


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
