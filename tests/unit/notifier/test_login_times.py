# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""login_times: the hours and the last day of a rule, by the host's local time."""

import datetime
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.login_times import (
    DAYS,
    are_in_hours,
    cover_the_week,
    date_problem,
    hours_problem,
    is_over,
)

# In POSIX notation, which needs no zone database: the clock goes forward at 02:00 on the last Sunday of March, and back
# at 03:00 on the last Sunday of October.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    """Put the host in Berlin. Tests for another zone change that."""

    def change(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    change(BERLIN)
    yield change
    monkeypatch.undo()
    time.tzset()
    assert os.environ.get("TZ") != BERLIN


def utc(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("hours", "local", "inside"),
    [
        ("22:00-06:00", "2026-11-27 21:59", False),  # a Friday
        ("22:00-06:00", "2026-11-27 22:00", True),
        ("22:00-06:00", "2026-11-28 00:00", True),
        ("22:00-06:00", "2026-11-28 05:59", True),
        ("22:00-06:00", "2026-11-28 06:00", False),
        ("08:00-18:00", "2026-11-27 12:00", True),
        ("08:00-18:00", "2026-11-27 18:00", False),
        ("Mon-Fri 22:00-06:00", "2026-11-28 05:59", True),  # the night that began on Friday
        ("Mon-Fri 22:00-06:00", "2026-11-28 22:00", False),
        ("Mon-Fri 22:00-06:00", "2026-11-30 05:59", False),  # the night that began on Sunday
        ("Sun 22:00-06:00", "2026-11-30 05:59", True),  # over the end of the week
        ("Sun 22:00-06:00", "2026-11-29 05:59", False),
        ("Sat,Sun 00:00-24:00", "2026-11-28 00:00", True),
        ("Sat,Sun 00:00-24:00", "2026-11-29 23:59", True),
        ("Sat,Sun 00:00-24:00", "2026-11-30 00:00", False),
        ("Sat-Mon 09:00-10:00", "2026-11-30 09:30", True),
        ("Sat-Mon 09:00-10:00", "2026-12-01 09:30", False),
        ("Mon,Wed-Thu 09:00-10:00", "2026-12-03 09:59", True),
        ("Mon,Wed-Thu 09:00-10:00", "2026-12-01 09:59", False),
        ("18:00-24:00", "2026-11-27 23:59", True),
        ("18:00-24:00", "2026-11-28 00:00", False),
        ("18:00-00:00", "2026-11-27 23:59", True),
        ("18:00-00:00", "2026-11-28 00:00", False),
    ],
)
def test_hours_are_those_of_the_wall_clock_over_midnight_and_over_the_week(hours, local, inside):
    assert are_in_hours(hours, time.mktime(time.strptime(local, "%Y-%m-%d %H:%M"))) is inside


@pytest.mark.parametrize(
    ("moment", "hours", "inside"),
    [
        # On 2026-03-29 the clock goes from 01:59:59 to 03:00:00 (01:00 UTC).
        ("2026-03-29 00:59:59", "01:00-02:00", True),
        ("2026-03-29 01:00:00", "02:00-03:00", False),
        ("2026-03-29 01:00:00", "03:00-04:00", True),
        ("2026-03-29 01:00:00", "22:00-03:00", False),
        # On 2026-10-25 it goes from 02:59:59 back to 02:00:00 (01:00 UTC). Both of these hours count.
        ("2026-10-25 00:30:00", "02:00-03:00", True),
        ("2026-10-25 01:30:00", "02:00-03:00", True),
        ("2026-10-25 02:00:00", "02:00-03:00", False),
    ],
)
def test_when_the_clock_is_set_what_it_shows_counts(moment, hours, inside):
    assert are_in_hours(hours, utc(moment)) is inside


@given(st.integers(0, 1 << 32), st.integers(0, 1439), st.integers(0, 1439), st.sets(st.integers(0, 6), min_size=1))
def test_hours_hold_what_counting_minute_by_minute_from_each_beginning_finds(seconds, begin, end, days):
    text = "{} {:02}:{:02}-{:02}:{:02}".format(
        ",".join(DAYS[day] for day in sorted(days)), *divmod(begin, 60), *divmod(end, 60)
    )
    if begin == end:
        assert "begins and ends at the same time" in hours_problem(text)
        return
    assert hours_problem(text) == ""
    inside = set()
    for day in days:
        minute = begin
        while minute % 1440 != end or minute == begin:
            inside.add((day + minute // 1440) % 7 * 1440 + minute % 1440)
            minute += 1
    local = time.localtime(seconds)
    assert are_in_hours(text, seconds) is (local.tm_wday * 1440 + local.tm_hour * 60 + local.tm_min in inside)


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["00:00-24:00"], True),
        (["Mon-Sun 00:00-24:00"], True),
        (["Fri-Thu 00:00-24:00"], True),
        (["00:00-23:59"], False),
        (["00:00-23:59", "23:59-00:00"], True),
        (["06:00-22:00", "22:00-06:00"], True),
        (["06:00-22:00", "22:01-06:00"], False),
        (["Mon-Fri 00:00-24:00", "Sat 00:00-24:00"], False),
        (["Mon-Fri 00:00-24:00", "Sat,Sun 00:00-24:00"], True),
        (["18:00-08:00", "Sat,Sun 00:00-24:00", "Mon-Fri 08:00-18:00"], True),
        # Monday until 08:00 is part of Sunday's night.
        (["Mon-Fri 18:00-08:00", "Sat,Sun 00:00-24:00", "Mon-Fri 08:00-18:00"], False),
        (["Mon-Fri 18:00-08:00", "Sat,Sun 00:00-24:00", "Mon-Thu 08:00-18:00"], False),
        ([], False),
    ],
)
def test_hours_that_leave_nothing_of_the_week_are_found(texts, whole):
    assert cover_the_week(texts) is whole
    # Minute by minute, from a Monday in a week without a clock change.
    monday = time.mktime((2026, 11, 23, 0, 0, 0, 0, 0, 0))
    assert whole is all(
        any(are_in_hours(text, monday + 60 * minute) for text in texts) for minute in range(7 * 24 * 60)
    )


@pytest.mark.parametrize(
    "text",
    ["", "22:00", "22-06", "8:00-18:00", "22:00 - 06:00", "22:00-25:00", "24:00-06:00", "22:60-23:00", "Mon 22:00",
     "Mon-", "mon-fri 08:00-18:00", "Monday 08:00-18:00", "Mon, Tue 08:00-18:00", "Mon-Fri  08:00-18:00",
     "08:00-18:00 Mon", "22:00-06:00\n",
     " 22:00-06:00", "Mon-Wed-Fri 08:00-18:00", "22:00-06:00,12:00-13:00", "08:00-08:00",
     "٠٨:00-18:00"],
)  # fmt: skip
def test_what_are_no_hours_is_refused_with_what_to_write_and_never_matches(text):
    assert "; write " in hours_problem(text)
    if "begins and ends" not in hours_problem(text):
        assert not any(are_in_hours(text, hour * 3600) for hour in range(168))


@pytest.mark.parametrize(
    ("text", "is_date"),
    [("2027-03-31", True), ("2028-02-29", True), ("2027-02-29", False), ("2027-3-31", False), ("31.03.2027", False),
     ("2027-03-31 12:00", False), ("2027-03-31\n", False), ("20270331", False), ("0000-01-01", False), ("", False)],
)  # fmt: skip
def test_a_date_is_a_day_that_exists_or_is_refused_with_what_to_write(text, is_date):
    assert (
        date_problem(text) == "" if is_date else "the last day of the rule, such as '2027-03-31'" in date_problem(text)
    )
    assert is_over(text, 0) is not is_date


@pytest.mark.parametrize(("name", "last"), [(BERLIN, "2027-03-31 21:59:59"), ("UTC0", "2027-03-31 23:59:59"),
                                            ("HST10", "2027-04-01 09:59:59")])  # fmt: skip
def test_a_rule_ends_with_the_last_second_of_its_day_on_the_hosts_clock(zone, name, last):
    zone(name)
    assert not is_over("2027-03-31", utc(last))
    assert is_over("2027-03-31", utc(last) + 1)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
def test_what_is_no_time_is_in_no_hours_and_after_every_day(seconds):
    assert not are_in_hours("00:00-24:00", seconds)
    assert is_over("9999-12-31", seconds)
