# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channels of this scenario, and what stands in each of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

import yaml

PROGRAM = "/usr/local/bin/ssh-login-notify"
CHANNELS = yaml.safe_load((Path(__file__).parent / "files" / "channels.yml").read_text())
# At the receiver, the others are at the sink or in the log.
KINDS_OF_SINK = ("slack_app", "pagerduty", "json", "email")
WAIT_SECONDS = 60.0


def at_receiver(entry: dict[str, Any]) -> str:
    """The receiver's name of a channel: discord/picky."""
    what = entry["name"] if entry["name"] in ("picky", "quiet") else "all"
    return f"{entry['kind']}/{what}"


class Lab:
    """The server under test, and all places to which it sends."""

    def __init__(self, host, receiver) -> None:
        self._host = host
        self._receiver = receiver

    def ask(self, *words: str, codes: tuple[int, ...] = (0, 1, 2)) -> dict[str, Any]:
        """The answer of a command of the notifier."""
        done = self._host.run(f"{PROGRAM} {' '.join(words)} --json")
        assert done.rc in codes, done.stdout + done.stderr
        return json.loads(done.stdout)

    def status_of(self, name: str) -> dict[str, Any]:
        """What `status` says of a channel."""
        return self.ask("status")["channels"][name]

    def texts(self, name: str) -> list[str]:
        """The messages that stand in a channel, each as it was sent."""
        entry = next(entry for entry in CHANNELS if entry["name"] == name)
        if entry["kind"] == "command":
            return self._host.check_output("journalctl --quiet --output=cat --identifier=login-alert").splitlines()
        if entry["kind"] in KINDS_OF_SINK:
            return [json.loads(line) for line in self._host.run(f"cat /var/lib/sink/{name}").stdout.splitlines()]
        where = at_receiver(entry)
        return [message.raw["body"] for message in self._receiver.messages() if message.channel == where]

    def replies(self) -> list[dict[str, Any]]:
        """The replies in threads of the Slack app, each as it was sent."""
        lines = self._host.run("cat /var/lib/sink/slack_app.replies").stdout.splitlines()
        return [json.loads(json.loads(line)) for line in lines]

    def wait_for(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Wait until this is true, and return it."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, self.ask("status")["channels"]
            time.sleep(0.5)

    def id_of(self, login) -> str:
        """The id of a login's alert, as the webhook has it."""

        def is_its(message) -> bool:
            return message.channel == "slack" and message.fields.get("From") == login.source

        return self._receiver.wait_for(is_its, timeout=WAIT_SECONDS)[0].ids[0]

    def holding(self, name: str, id_: str) -> list[str]:
        """The messages of a channel that tell of an alert."""
        return [text for text in self.texts(name) if id_ in text]
