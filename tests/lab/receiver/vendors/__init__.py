# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendors that the receiver can simulate: one module for each kind of channel, named as the kind.

A module in this directory is a vendor; it needs no registration. It has

    judge(method, path, headers, body) -> Verdict   its answer to a request, and what its readers then see
    answer(how, seconds) -> Answer                  its own words for one of HOW

`https://receiver:8443/KIND/WHAT/…` is a vendor's channel, and `/…` its own path, such as `/api/webhooks/1/token`. WHAT
is any word, so that a test can have several channels of a kind. Every other path is a Slack webhook.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Mapping, NamedTuple, Protocol

from ..verdict import Answer, Verdict

# What a rule can have a vendor answer: this message is wrong; the channel is gone; too many messages (with the seconds
# to wait); the vendor has an internal error.
REFUSED, CLOSED, LIMITED, BROKEN = HOW = ("refused", "closed", "limited", "broken")
DEFAULT = "slack"
PATH = re.compile(r"/([a-z_]+)/([a-z0-9-]+)(/.*)")


class Vendor(Protocol):
    """The interface of a module of this package."""

    def judge(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Judge one request. path: the vendor's own, with the query. headers: by lower-case names."""

    def answer(self, how: str, seconds: int) -> Answer:
        """Return the vendor's words for one of HOW. seconds: the pause that `limited` requests"""


class Channel(NamedTuple):
    """The target of a request. name: KIND/WHAT, or `slack` for a path without them. path: the vendor's own"""

    name: str
    vendor: Vendor
    path: str


VENDORS: dict[str, Vendor] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}")  # type: ignore[misc]
    for module in pkgutil.iter_modules(__path__)
}


def channel(path: str) -> Channel:
    """Return the channel of a request, by its path."""
    match = PATH.fullmatch(path)
    if match and match[1] in VENDORS:
        kind, what, rest = match.groups()
        return Channel(f"{kind}/{what}", VENDORS[kind], rest)
    return Channel(DEFAULT, VENDORS[DEFAULT], path)
