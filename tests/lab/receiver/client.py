# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests' client of the receiver: read what arrived, and set how the receiver behaves."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from typing import Any, Callable, Iterator

import requests

from . import view

POLL_SECONDS = 20.0


@dataclass(frozen=True)
class Alert:
    """One login as a message reports it."""

    source: str  # "172.18.0.1 port 45006"
    type: str
    time: float  # of the login, seconds since the epoch: an alert's id begins with it
    id: str = ""
    user: str = ""
    shown_time: str = ""  # "2026-11-25 02:06:30 UTC", or in another zone "… IST (20:36:30 UTC)"
    key: str = ""
    person: str = ""
    note: str = ""

    @classmethod
    def of(cls, id_: str, **shown: str) -> Alert:
        """Return the login with this id and these shown values."""
        return cls(time=float(id_.partition("-")[0]), id=id_, **shown)

    @classmethod
    def of_line(cls, id_: str, line: str) -> Alert:
        """Return the login of a line of a digest (wording.py). Raises ValueError for any other line."""
        return cls.of_fields(id_, view.of_line(line))

    @classmethod
    def of_fields(cls, id_: str, fields: dict[str, str]) -> Alert:
        """Return the login with these fields, keyed by label."""
        labels = {"source": "From", "type": "Type", "user": "User", "shown_time": "Time", "key": "Key"}
        labels |= {"person": "Person", "note": "Note"}
        return cls.of(id_, **{name: fields.get(label, "") for name, label in labels.items()})

    @property
    def seconds(self) -> float:
        """The shown time of the login, on a server in UTC, in seconds since the epoch."""
        return datetime.strptime(f"{self.shown_time}+0000", "%Y-%m-%d %H:%M:%S UTC%z").timestamp()


@dataclass(frozen=True)
class Message:
    """One request that reached the webhook. `raw` has everything; the properties are what tests need most."""

    raw: dict[str, Any]

    @property
    def number(self) -> int:
        return self.raw["number"]

    @property
    def channel(self) -> str:
        """The vendor and the channel, `discord/ops`; or `slack` for a Slack webhook whose path names no channel."""
        return self.raw["channel"]

    @property
    def delivered(self) -> bool:
        """Whether it is in the channel."""
        return self.raw["delivered"]

    @property
    def fields(self) -> dict[str, str]:
        """The shown values by label: {"Server": "web-3", "User": "deploy", …}."""
        return self.raw["fields"]

    @property
    def header(self) -> str | None:
        return self.raw["header"]

    @property
    def text(self) -> str | None:
        return self.raw["text"]

    @property
    def lines(self) -> list[str]:
        """The lines of a digest."""
        return self.raw["lines"]

    @property
    def ids(self) -> list[str]:
        return self.raw["ids"]

    @property
    def alerts(self) -> list[Alert]:
        """The reported logins: one, or one for each line of a digest that is about a login."""
        if self.lines:
            return [Alert.of_line(id_, line) for id_, line in zip(self.ids, self.lines) if " · from " in line]
        if "From" not in self.fields:
            return []
        return [Alert.of_fields(self.ids[0], self.fields)]

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer, or None if the rule in force sent none."""
        return self.raw["answer"]["status"]

    @property
    def problems(self) -> list[str]:
        """Every breach of Slack's rules."""
        return self.raw["problems"]

    @property
    def received_at(self) -> float:
        """Seconds since the epoch, on the receiver's clock."""
        return self.raw["received_at"]

    @property
    def harmless(self) -> bool:
        """Whether it breaks no rule, mentions nobody, and contains no link and no invisible character."""
        return not any(self.raw[key] for key in ("problems", "mentions", "links", "controls"))

    def __str__(self) -> str:
        answer = self.raw["answer"]
        what = f"{self.header}: {self.fields} {self.ids} {self.problems}"
        return f"#{self.number} {self.channel} [{answer['status']} {answer['body']}] {what}"


class Receiver:
    """A receiver at `url` (its plain port), such as http://127.0.0.1:8080."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        # The receiver is on this machine's network, so a proxy of the environment is not used.
        self._session.trust_env = False

    def _call(self, method: str, path: str, wait: float = 0.0, **arguments: Any) -> requests.Response:
        answer = self._session.request(method, self.url + path, timeout=self._timeout + wait, **arguments)
        if answer.status_code == 400:
            raise ValueError(answer.json()["error"])
        answer.raise_for_status()
        return answer

    def status(self) -> dict[str, Any]:
        """Return the ports, the highest number so far, failed TLS handshakes, and pings of the dead man's switch."""
        return self._call("GET", "/api/status").json()

    def ca(self) -> str:
        """Return the certificate of the test authority (PEM)."""
        return self._call("GET", "/ca.pem").text

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the receiver answers. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.status()
                return
            except requests.RequestException as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no receiver at {self.url} within {timeout} s: {error}") from error
                time.sleep(0.2)

    def attempts(self, after: int = 0, wait: float = 0.0) -> list[Message]:
        """Return every request to the webhook with a number higher than `after`, also refused ones.

        wait: seconds to wait for the first request, if there is none yet
        """
        answer = self._call("GET", "/api/messages", wait, params={"after": after, "wait": wait}).json()
        return [Message(raw) for raw in answer["messages"]]

    def messages(self, after: int = 0) -> list[Message]:
        """Return the messages in the channel."""
        return [message for message in self.attempts(after) if message.delivered]

    def last(self) -> int:
        """Return the highest number so far, for use as `after`."""
        return self.status()["last"]

    def clear(self) -> None:
        self._call("DELETE", "/api/messages")

    def wait_for(
        self,
        predicate: Callable[[Message], Any] = lambda message: True,
        count: int = 1,
        timeout: float = 30.0,
        after: int = 0,
        attempts: bool = False,
    ) -> list[Message]:
        """Return the messages in the channel for which `predicate` is true, once there are `count` of them.

        attempts: include refused requests. Raises TimeoutError, whose text lists what arrived.
        If more than `count` are there, all are returned: check the length where it matters, and see `settle`.
        """
        deadline = time.monotonic() + timeout
        seen: list[Message] = []
        while True:
            left = deadline - time.monotonic()
            seen += self.attempts(seen[-1].number if seen else after, max(0.0, min(left, POLL_SECONDS)))
            found = [message for message in seen if (attempts or message.delivered) and predicate(message)]
            if len(found) >= count:
                return found
            if left <= 0:
                what = "\n  ".join(map(str, seen)) or "nothing"
                raise TimeoutError(f"{len(found)} of {count} messages within {timeout} s; what arrived:\n  {what}")

    def settle(self, quiet: float = 2.0, timeout: float = 60.0) -> None:
        """Wait until nothing has arrived for `quiet` seconds, so that a test can assert "exactly one".

        Raises TimeoutError if messages still arrive at the end of `timeout`.
        """
        deadline = time.monotonic() + timeout
        last = self.last()
        while time.monotonic() < deadline:
            newer = self.attempts(last, quiet)
            if not newer:
                return
            last = newer[-1].number
        raise TimeoutError(f"still arriving after {timeout} s")

    def behave(self, *rules: dict[str, Any] | str) -> None:
        """Replace the rules in force. Without rules, the receiver behaves as Slack does.

        A bare mode is the rule with its default options:
        `behave({"mode": "status", "status": 503, "times": 2}, "hang")`.
        """
        self._call("PUT", "/api/behaviour", json=[{"mode": rule} if isinstance(rule, str) else rule for rule in rules])

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules in force. `served` counts the requests that each has applied to."""
        return self._call("GET", "/api/behaviour").json()["rules"]

    @contextmanager
    def misbehaving(self, *rules: dict[str, Any] | str) -> Iterator[None]:
        """Behave by `rules` during the block, and as Slack does after it."""
        self.behave(*rules)
        try:
            yield
        finally:
            self.behave()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection to the webhook during the block, as a host does where nothing listens."""
        self._call("PUT", "/api/listening", json=False)
        try:
            yield
        finally:
            self._call("PUT", "/api/listening", json=True)


def http_date(seconds: float) -> str:
    """Return the HTTP date (RFC 9110) this many seconds from now, for a Retry-After."""
    return formatdate(time.time() + seconds, usegmt=True)
