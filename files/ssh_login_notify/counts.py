# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many logins there were, by type and weight, for the metrics (metrics.py): state/counts.json.

The sender counts a login when its message was delivered, or when it is settled without one. The file lists the last
ids, so a login that is processed again after a kill is counted once. The service user can write the file, so root
accepts only the words and numbers that it knows.
"""

import json

from . import login_types
from .alert import LOGIN
from .journal import trouble
from .spool import ALERT_MODE, is_name
from .state import is_number
from .weights import WEIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable

    from .alert import Alert
    from .spool import Spool

    # By type, then by weight.
    Numbers = Dict[str, Dict[str, int]]

FILE = "counts.json"
VERSION = 1
LARGEST_BYTES = 1 << 18
# How many ids of the last logins are kept: more than one message can contain.
MOST_IDS = 500
# The weight of a light login, and the type of one whose type this version does not know.
LIGHT, OTHER = "none", "other"
ALL_WEIGHTS = (*WEIGHTS, LIGHT)
# The types without names of programs, so that there are only as many as login_types.py has.
TYPES = (
    *sorted({value for name, value in vars(login_types).items() if name.isupper() and isinstance(value, str)}), OTHER,
)  # fmt: skip


def count(spool: "Spool", alerts: "Iterable[Alert]") -> None:
    """Count the logins among these alerts, each once and by its heaviest weight. This never fails."""
    kept = _load(spool)
    new = [
        found for found in alerts
        if found["about"] == LOGIN and not found["follows"] and found["id"] not in kept["ids"]
    ]  # fmt: skip
    if not new:
        return
    numbers: Numbers = kept["logins"]
    for found in new:
        by_weight = numbers.setdefault(_type(found["type"]), {})
        weight = next(iter(found.get("weights", ())), LIGHT)
        by_weight[weight] = by_weight.get(weight, 0) + 1
    ids = [*kept["ids"], *(found["id"] for found in new)][-MOST_IDS:]
    contents = json.dumps({"version": VERSION, "logins": numbers, "ids": ids}).encode("ascii")
    try:
        spool.write("state", FILE, contents, ALERT_MODE)
    except OSError as error:  # such as a full disk
        trouble(f"Logins could not be counted for the metrics: {error}.")


def logins(spool: "Spool") -> "Numbers":
    """Return the number of logins, by type and weight."""
    numbers: Numbers = _load(spool)["logins"]
    return numbers


def _load(spool: "Spool") -> "Dict[str, Any]":
    try:
        kept = json.loads(spool.read("state", FILE, LARGEST_BYTES).decode("ascii"))
        if kept["version"] != VERSION:
            raise ValueError("another version")
        numbers: Numbers = {}
        for login_type, by_weight in kept["logins"].items():
            for weight in ALL_WEIGHTS:
                number = by_weight.get(weight, 0)
                if number and is_number(number):
                    numbers.setdefault(_type(login_type), {})[weight] = int(number)
        ids = [name for name in kept["ids"][-MOST_IDS:] if isinstance(name, str) and is_name(name)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {"logins": {}, "ids": []}  # none yet, or damaged: a counter may start again
    return {"logins": numbers, "ids": ids}


def _type(login_type: str) -> str:
    found = login_types.plain(login_type)
    return found if found in TYPES else OTHER
