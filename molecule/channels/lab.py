# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The channels of this scenario, and access to their messages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

import yaml

PROGRAM = "/usr/local/bin/ssh-login-notify"
CHANNELS = yaml.safe_load((Path(__file__).parent / "files" / "channels.yml").read_text())
# Kinds that send to the sink. The others send to the receiver or to the log.
KINDS_OF_SINK = ("slack_app", "pagerduty", "json", "email")
WAIT_SECONDS = 60.0


def at_receiver(entry: dict[str, Any]) -> str:
    """Return the receiver's name of a channel: discord/picky."""
    what = entry["name"] if entry["name"] in ("picky", "quiet") else "all"
    return f"{entry['kind']}/{what}"


class Lab:
    """The server under test, and everything that it sends to."""

    def __init__(self, host, receiver) -> None:
        self._host = host
        self._receiver = receiver

    def ask(self, *words: str, codes: tuple[int, ...] = (0, 1, 2)) -> dict[str, Any]:
        """Run a command of the notifier with --json, and return its output."""
        done = self._host.run(f"{PROGRAM} {' '.join(words)} --json")
        assert done.rc in codes, done.stdout + done.stderr
        return json.loads(done.stdout)

    def status_of(self, name: str) -> dict[str, Any]:
        """Return a channel's entry in `status`."""
        return self.ask("status")["channels"][name]

    def texts(self, name: str) -> list[str]:
        """Return the messages in a channel, each as it was sent."""
        entry = next(entry for entry in CHANNELS if entry["name"] == name)
        if entry["kind"] == "command":
            return self._host.check_output("journalctl --quiet --output=cat --identifier=login-alert").splitlines()
        if entry["kind"] in KINDS_OF_SINK:
            return [json.loads(line) for line in self._host.run(f"cat /var/lib/sink/{name}").stdout.splitlines()]
        where = at_receiver(entry)
        return [message.raw["body"] for message in self._receiver.messages() if message.channel == where]

    def replies(self) -> list[dict[str, Any]]:
        """Return the replies in threads of the Slack app, each as it was sent."""
        lines = self._host.run("cat /var/lib/sink/slack_app.replies").stdout.splitlines()
        return [json.loads(json.loads(line)) for line in lines]

    def wait_for(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Wait until the condition is true, and return its value."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, self.ask("status")["channels"]
            time.sleep(0.5)

    def id_of(self, login) -> str:
        """Return the id of a login's alert, from the webhook's message."""

        def is_its(message) -> bool:
            return message.channel == "slack" and message.fields.get("From") == login.source

        return self._receiver.wait_for(is_its, timeout=WAIT_SECONDS)[0].ids[0]

    def holding(self, name: str, id_: str) -> list[str]:
        """Return the messages of a channel that contain an alert's id."""
        return [text for text in self.texts(name) if id_ in text]
