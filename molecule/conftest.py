# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of all scenarios: the server, the people who log in to it, and the receiver's messages."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.lab.backend import keep_connections
from tests.lab.containers import address
from tests.lab.logins import Login, Person
from tests.lab.people import PASSWORD
from tests.lab.receiver.client import Message, Receiver
from tests.lab.tables import table

SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
KEY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "key"
keep_connections()

# From login to message. It should take seconds; this allows for a busy machine.
ALERT_SECONDS = 30.0


# A table that a scenario shows in addition to "passed", printed at the end.
ROWS = pytest.StashKey[list[dict[str, str]]]()


@pytest.fixture(scope="session")
def receiver() -> Receiver:
    """The stand-in for Slack, once no more messages arrive."""
    receiver = Receiver(f"http://{address(f'receiver-{SCENARIO}')}:8080")
    receiver.settle()
    return receiver


@pytest.fixture(scope="module")
def people(host):
    """Return people who log in to the server under test: people("deploy") by key, people("rita") by password."""
    where = address(host.backend.hostname)
    # It contains sockets, whose paths are limited to about 100 characters.
    with tempfile.TemporaryDirectory(prefix="people-") as directory:

        def person(user: str) -> Person:
            if user == "rita":
                return Person(user, where, Path(directory) / user, password=PASSWORD)
            return Person(user, where, Path(directory) / user, KEY)

        yield person


@pytest.fixture(scope="module")
def ada(people) -> Person:
    """The person with the test's key, at the account `deploy`."""
    return people("deploy")


@pytest.fixture(scope="session")
def fingerprint() -> str:
    """The fingerprint of the test's key: SHA256:…, as ssh-keygen prints it."""
    command = ["ssh-keygen", "-l", "-f", f"{KEY}.pub"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]  # noqa: S603


def tells_of(message: Message, login: Login) -> bool:
    """Return whether a message reports this login, by the client's port and, because ports are reused, by the time."""
    if message.fields.get("From") != login.source or not message.ids:
        return False
    begun = float(message.ids[0].partition("-")[0])
    return login.started - 1 <= begun <= login.started + login.seconds + 1


@pytest.fixture(scope="module")
def alerts(receiver):
    """The messages about these logins: waits for one each, then until nothing more arrives, and returns all of them.

    seconds: how long to wait for the messages
    """

    def alerts_of(*logins: Login, seconds: float = ALERT_SECONDS) -> list[Message]:
        def is_theirs(message: Message) -> bool:
            return any(tells_of(message, login) for login in logins)

        receiver.wait_for(is_theirs, count=len(logins), timeout=seconds)
        receiver.settle()
        return [message for message in receiver.attempts() if is_theirs(message)]

    return alerts_of


@pytest.fixture(scope="session")
def rows(request) -> list[dict[str, str]]:
    """The scenario's table. A test appends a row, column -> cell. All rows have the same columns."""
    return request.config.stash.setdefault(ROWS, [])


def pytest_collection_modifyitems(config, items) -> None:
    """With one platform (`./dev test quick`), deselect the tests of the other platforms."""
    if "LAB_ONE_PLATFORM" not in os.environ:
        return

    def has_no_host(item) -> bool:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return "_testinfra_host" in parameters and not hasattr(parameters["_testinfra_host"], "backend")

    left_out = [item for item in items if has_no_host(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Print the scenario's table, and save it below .dev/, where `./dev clean` removes it."""
    found = config.stash.get(ROWS, [])
    if not found:
        return
    text = table(list(found[0]), [list(row.values()) for row in found])
    terminalreporter.write_line(f"\n{text}\n")
    directory = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".dev" / "tables"
    directory.mkdir(parents=True, exist_ok=True)
    # The tests of one scenario can run in two parts, selected by a marker.
    name = "-".join([SCENARIO, *config.option.markexpr.split()])
    (directory / f"{name}.md").write_text(text + "\n")
