# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the channels that have a layout of their own: what fits, what is truncated, and how serious alerts are.

Every limit here is a size, and each channel has its own `size`: a function that takes a plain text and returns how much
the text takes in the message, in the unit of the channel's limit, with all escapes. So no escape is ever cut in two.
"""

from .. import wording
from ..alert import SELF_CHECK
from ..text import CUT, SEPARATOR
from . import CLOSED, FAILED, LIMITED, LONGEST_ASKED_SECONDS, REFUSED, UNSURE, Verdict, is_page, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, Dict, List

    from ..alert import Alert
    from ..config import Configuration
    from ..transport import Answer

    Size = Callable[[str], int]

# The gravity of alerts: nothing odd; legitimate and rare, or a problem of the notifier; an alarm.
QUIET, ODD, ALARM = range(3)
# For each gravity, as 0xRRGGBB: grey, orange, red.
COLOURS = (0x8D949E, 0xE8912D, 0xD1242F)
# The limit for a line of a digest, with its id at the end. Of the rest, the key comes last, so it is cut first.
LINE_LIMIT = 1000
DEFECT = "that is a defect of this program, please report it"
LATER = "too many messages right now; it is tried again when the service allows it"


def gravity(alerts: "List[Alert]") -> int:
    """Return the gravity of the most serious of these alerts: QUIET, ODD or ALARM."""
    weights = {weight for alert in alerts for weight in alert.get("weights", ())}
    if weights - set(wording.RIGHT_AND_RARE):
        return ALARM
    is_trouble = any(alert["about"] == SELF_CHECK and alert["notes"] for alert in alerts)
    return ODD if weights or is_trouble else QUIET


def units(text: str) -> int:
    """Return the length in UTF-16 code units, without the codec, which would be loaded after root is given up."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, room: int, size: "Size") -> str:
    """Return the text, truncated with an ellipsis if it does not fit."""
    if size(text) <= room:
        return text
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if size(text[:middle] + CUT) <= room:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest] + CUT


def cut_all(texts: "List[str]", room: int, each: int, size: "Size") -> "List[str]":
    """Return the texts, truncated so that none takes more than `each`, and all together not more than `room`.

    The long ones are cut to the same size. Short ones stay whole.
    """
    sizes = [size(text) for text in texts]
    while sum(min(taken, each) for taken in sizes) > room:
        each = each * 9 // 10
    return [cut(text, each, size) for text in texts]


def line(alert: "Alert", configuration: "Configuration", now: float, room: int, size: "Size") -> str:
    """Return the line of a digest, which ends in the alert's id. It takes at most `room`."""
    end = f"{SEPARATOR}id {alert['id']}"
    return cut(wording.login(alert, configuration, now), room - size(end), size) + end


def fitting(alerts: "List[Alert]", room: int, takes: "Callable[[Alert], int]") -> "List[Alert]":
    """Return the first of these alerts, as many as there is room for: at least one.

    takes: returns how much an alert's part of a digest takes
    """
    for number, alert in enumerate(alerts):
        room -= takes(alert)
        if number and room < 0:
            return alerts[:number]
    return alerts


def inner(found: "Any", key: str) -> "Dict[str, Any]":
    """Return the object at a key of an object, an empty one if there is none."""
    below = found.get(key) if isinstance(found, dict) else None
    return below if isinstance(below, dict) else {}


def word(found: "Any", key: str) -> str:
    """Return the word or number at a key of an object, as a text; "" if there is none."""
    below = found.get(key) if isinstance(found, dict) else None
    return str(below) if isinstance(below, (str, int)) else ""


def limited(seconds: "Any") -> Verdict:
    """Return the verdict for too many messages, with the pause from the body, which can be any number."""
    return Verdict(LIMITED, LATER, float(min(seconds, LONGEST_ASKED_SECONDS)) if seconds > 0 else 0.0)


def settled(
    answer: "Answer", words: "List[str]", closing: "Dict[str, str]", refusing: "Container[str]", service: str
) -> Verdict:
    """Return the verdict for an answer that is not a delivery.

    words: the service's own words in the answer. closing: words that close the channel, with what to do. refusing:
    words that refuse the message. service: its name for people
    """
    if answer.status == 429:
        return verdict(LIMITED, LATER, answer)
    # Mattermost answers 501 if webhooks are switched off.
    said = words if 400 <= answer.status < 500 or answer.status == 501 else []
    if any(word in refusing for word in said):
        return verdict(REFUSED, f"{service} refuses the message itself; {DEFECT}", answer)
    mend = next((closing[word] for word in said if word in closing), "")
    if mend:
        return verdict(CLOSED, mend, answer)
    if 300 <= answer.status < 400:
        return verdict(FAILED, "redirects are not followed; set the final address", answer)
    if 200 <= answer.status < 300 and not is_page(answer.text):
        why = f"{service} does not answer like that, but the message may be there; look for a proxy or a portal"
        return verdict(UNSURE, f"{why} on the way, and check the address", answer)
    if answer.status >= 500 and not is_page(answer.text):
        return verdict(FAILED, f"{service} has a problem; it is tried again", answer)
    return verdict(
        FAILED,
        f"something other than {service} answered, or it does not know this address; look for a proxy, a filter or a "
        "portal on the way, and check the address; it is tried again",
        answer,
    )
