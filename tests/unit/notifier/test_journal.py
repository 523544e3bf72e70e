# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""journal: a line in the system's log stays one line."""

import syslog

from ssh_login_notify import journal


def test_a_login_is_information_and_trouble_is_a_warning(said):
    journal.login("login user=deploy")
    journal.trouble("the disk is full")
    assert said == [(syslog.LOG_INFO, "login user=deploy"), (syslog.LOG_WARNING, "the disk is full")]


def test_a_line_end_from_outside_begins_no_line_of_its_own(said):
    journal.trouble("one\ntwo\r\nthree\u2028four")
    assert said == [(syslog.LOG_WARNING, "one two three four")]
