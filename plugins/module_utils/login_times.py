# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of a rule: ``hours`` of the day or of the week, and ``until``, the last day of the rule.

Both are compared with the local time of a login: wall-clock time in the host's time zone.

``22:00-06:00`` is from 22:00 until 06:00 of the next day, without the minute 06:00. ``Mon-Fri 22:00-06:00`` are the
nights that begin on those days, so Friday's ends on Saturday. Days are single days or ranges, separated by commas:
``Mon-Fri``, ``Sat,Sun``, ``Sat-Mon``. ``00:00-24:00`` is a whole day.

When daylight saving time begins, no login has a time in the hour that is skipped. When it ends, the repeated hour
counts both times. So on these two days a window can be an hour shorter or longer. It begins and ends by the wall clock.
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
    """Return why a text can't be the hours of a rule, and what to write instead, or "" if it can."""
    match = HOURS.match(text)
    if not match:
        return f"{text!r} is not a range of hours; write '22:00-06:00', or 'Mon-Fri 18:00-08:00'"
    if match.group("begin") == match.group("end"):
        return f"{text!r} begins and ends at the same time; write 00:00-24:00 for the whole day"
    return ""


def are_in_hours(text: str, seconds: float) -> bool:
    """Return whether a time, in seconds since the epoch, is in these hours. Return False for an impossible time."""
    try:
        local = time.localtime(seconds)
    except (ValueError, OverflowError, OSError):  # out of range
        return False
    return _holds(_windows(text), local.tm_wday * DAY_MINUTES + local.tm_hour * 60 + local.tm_min)


def cover_the_week(texts: "Iterable[str]") -> bool:
    """Return whether these hours together contain every minute of the week."""
    windows = [window for text in texts for window in _windows(text)]
    # If each window ends inside a window (another one, or itself), there is no gap between them.
    return bool(windows) and all(_holds(windows, begin + minutes) for begin, minutes in windows)


def _windows(text: str) -> "List[Tuple[int, int]]":
    """Return the start of each window, in minutes since Monday 00:00, and its length in minutes."""
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
    """Return why a text is not a date, and what to write instead, or "" if it is one."""
    try:
        _date(text)
    except ValueError:
        return f"{text!r} is not a date; write the last day of the rule, such as '2027-03-31'"
    return ""


def is_over(until: str, seconds: float) -> bool:
    """Return whether a time, in seconds since the epoch, is after the end of this day, or is impossible."""
    try:
        local = time.localtime(seconds)
        return datetime.date(local.tm_year, local.tm_mon, local.tm_mday) > _date(until)
    except (ValueError, OverflowError, OSError):
        return True


def _date(text: str) -> datetime.date:
    if not DATE.match(text):
        raise ValueError(text)
    return datetime.date(int(text[:4]), int(text[5:7]), int(text[8:]))
