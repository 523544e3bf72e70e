# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of a rule: ``hours`` of the day or of the week, and the last day of the rule, ``until``.

Both are compared with the local time of a login: what a clock on the wall shows, in the host's time zone.

``22:00-06:00`` is from 22:00 until 06:00 of the next day, without the minute 06:00. ``Mon-Fri 22:00-06:00`` are the
nights that begin on those days, so Friday's ends on Saturday. Days are single, or from one to another, with commas
between: ``Mon-Fri``, ``Sat,Sun``, ``Sat-Mon``. ``00:00-24:00`` is a whole day.

When the clock is set forward, the hour that it leaves out does not exist, and no login has such a time. When it is set
back, the hour that comes twice counts both times. So a window may be an hour longer or shorter on these two days, and
it begins and ends when the clock on the wall says so.
"""

import datetime
import re
import time
from typing import Iterable, Iterator, List, Tuple

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
DAY_OR_DAYS = "(?:{day})(?:-(?:{day}))?".format(day="|".join(DAYS))
HOURS = re.compile(
    rf"(?:(?P<days>{DAY_OR_DAYS}(?:,{DAY_OR_DAYS})*) )?"
    r"(?P<begin>(?:[01][0-9]|2[0-3]):[0-5][0-9])-(?P<end>(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z"
)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def hours_problem(text: str) -> str:
    """Say why these are no hours, and what to write; empty if they are."""
    match = HOURS.match(text)
    if not match:
        return f"{text!r} is no time from one hour to another; write '22:00-06:00', or 'Mon-Fri 18:00-08:00'"
    if match.group("begin") == match.group("end"):
        return f"{text!r} begins and ends at the same time; write 00:00-24:00 for the whole day"
    return ""


def are_in_hours(text: str, seconds: float) -> bool:
    """Tell whether a time, in seconds since the epoch, is in these hours. False for what is no time."""
    try:
        local = time.localtime(seconds)
    except (ValueError, OverflowError, OSError):  # no clock of this world has shown it
        return False
    return _holds(_windows(text), local.tm_wday * DAY_MINUTES + local.tm_hour * 60 + local.tm_min)


def cover_the_week(texts: "Iterable[str]") -> bool:
    """Tell whether every minute of the week is in one of these hours."""
    windows = [window for text in texts for window in _windows(text)]
    # Where the end of each is in another one, or in itself, nothing is left between them.
    return bool(windows) and all(_holds(windows, begin + minutes) for begin, minutes in windows)


def _windows(text: str) -> "List[Tuple[int, int]]":
    """Return when they begin, in minutes since Monday 00:00, and how many minutes they last."""
    match = HOURS.match(text)
    if not match:
        return []
    begin, end = _minutes(match.group("begin")), _minutes(match.group("end"))
    length = (end - begin) % DAY_MINUTES or DAY_MINUTES
    return [(day * DAY_MINUTES + begin, length) for day in _days(match.group("days") or "Mon-Sun")]


def _holds(windows: "List[Tuple[int, int]]", minute: int) -> bool:
    return any((minute - begin) % WEEK_MINUTES < length for begin, length in windows)


def _minutes(text: str) -> int:
    hours, _colon, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _days(text: str) -> "Iterator[int]":
    for part in text.split(","):
        first, dash, last = part.partition("-")
        number = DAYS.index(first)
        yield number
        while dash and DAYS[number] != last:
            number = (number + 1) % len(DAYS)
            yield number


def date_problem(text: str) -> str:
    """Say why this is no date, and what to write; empty if it is one."""
    try:
        _date(text)
    except ValueError:
        return f"{text!r} is no date; write the last day of the rule, as '2027-03-31'"
    return ""


def is_over(until: str, seconds: float) -> bool:
    """Tell whether a time, in seconds since the epoch, is after the end of this day. True for what is no time."""
    try:
        local = time.localtime(seconds)
        return datetime.date(local.tm_year, local.tm_mon, local.tm_mday) > _date(until)
    except (ValueError, OverflowError, OSError):
        return True


def _date(text: str) -> datetime.date:
    if not DATE.match(text):
        raise ValueError(text)
    return datetime.date(int(text[:4]), int(text[5:7]), int(text[8:]))
