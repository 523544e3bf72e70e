# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the jobs that run the commands are removed, and a table without any other job becomes None."""

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _cron_tables

SCRIPT = "/usr/local/bin/ssh-login-notify.sh"
TABLE = f"# alerts\nMAILTO=root\n0 9 * * 1 root {SCRIPT} test\n17 * * * * root run-parts /etc/cron.hourly\n"


def test_the_job_goes_and_every_other_byte_stays():
    assert _cron_tables.without(TABLE, [SCRIPT]) == TABLE.replace(f"0 9 * * 1 root {SCRIPT} test\n", "")


def test_a_table_that_has_no_other_job_is_none():
    assert _cron_tables.without(f"# alerts\n\nSHELL=/bin/sh\n@daily root {SCRIPT}\n", [SCRIPT]) is None


@pytest.mark.parametrize(
    "job",
    [
        f"0 9 * * * root PAM_USER=test {SCRIPT}",
        f'0 9 * * * root sh -c "{SCRIPT} test" > /dev/null 2>&1',
        f"*/5 * * * * test -x {SCRIPT}&&{SCRIPT}",
        f"\t@reboot root {SCRIPT};true",
    ],
)
def test_a_job_is_found_wherever_the_command_stands(job):
    assert _cron_tables.without(f"{job}\n1 1 * * * root true\n", [SCRIPT]) == "1 1 * * * root true\n"


@pytest.mark.parametrize(
    "line",
    [
        f"# 0 9 * * * root {SCRIPT}",
        f"NOTIFY={SCRIPT}",
        f"0 9 * * * root {SCRIPT}.old",
        f"0 9 * * * root /opt{SCRIPT}",
        "0 9 * * * root /usr/local/bin/ssh-login-notify status",
    ],
)
def test_what_does_not_run_it_stays(line):
    text = f"{line}\r\n1 1 * * * root true"
    assert _cron_tables.without(text, [SCRIPT]) == text


def test_a_command_of_several_words_is_found_with_any_blanks():
    text = "0 9 * * * root /bin/sh \t /root/notify.sh\n0 9 * * * root /bin/sh /root/other.sh\n"
    assert _cron_tables.without(text, ["/bin/sh /root/notify.sh"]) == "0 9 * * * root /bin/sh /root/other.sh\n"


def test_without_commands_nothing_goes():
    assert _cron_tables.without(TABLE, []) == TABLE
    assert _cron_tables.without(TABLE, [" "]) == TABLE
