# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts on which the notifier was run: the README's tables, from molecule/ and tests/support.yml.

tools/variables.py calls this for `./dev docs`. A run outside of `./dev test` records its date with record().
"""
from __future__ import annotations

import re
import time
from pathlib import Path

RECORDS = Path("tests") / "support.yml"
CONFIGURATION = Path(".config") / "molecule" / "config.yml"
# The groups of containers (tests/lab/scenario.py): the README's name for such a host, and what starts the sender on it.
GROUPS = {
    "systemd": ("", "systemd"),
    "guests": (", in a container that may not mount", "systemd"),
    "plain": (", without systemd", "cron"),
}
# The role refuses this host.
REFUSED = "nopam"
IMAGE = re.compile(r"loginwatch/debian(\d+)\b")


def record(root: Path, host: str, day: str = "") -> None:
    """Set the date of a host's record in tests/support.yml, by default to today, after its run has passed."""
    path = root / RECORDS
    pattern = rf"(^- host: {re.escape(host)}\n(?:  .*\n)*?  when: ).*"
    line = rf"\g<1>'{day or time.strftime('%Y-%m-%d', time.gmtime())}'"
    text, found = re.subn(pattern, line, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"{RECORDS} has no record of {host!r}")
    path.write_text(text, encoding="utf-8")


def tables(scenarios: list[dict], usual: dict, records: list[dict]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of both tables, each with its head.

    scenarios: the contents of each molecule.yml
    usual: the configuration that they are merged with
    records: the records of tests/support.yml
    """
    found = set()
    for configuration in scenarios:
        for platform in configuration.get("platforms", usual["platforms"]):
            image = IMAGE.search(platform["image"])
            if image and platform["hostname"] != REFUSED:
                found |= {(int(image[1]), group) for group in GROUPS if group in platform["groups"]}
    order = sorted(found, key=lambda host: (host[0], list(GROUPS).index(host[1])))
    tested = [["host", "what starts the sender"]]
    tested += [[f"Debian {debian}{GROUPS[group][0]}", GROUPS[group][1]] for debian, group in order]
    by_hand = [["host", "parts from elsewhere", "how it was run", "what passed", "when"]]
    by_hand += [[str(of[key]) for key in ("host", "foreign", "command", "held", "when")] for of in records]
    return tested, by_hand
