# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The required content of a PAM file, as a function of its text. No file is read or written here."""

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils.pam_line import (
    PamExecLine,
    Plan,
    Vendor,
    printable,
)
from ansible_collections.loginwatch.pam.plugins.module_utils.pam_stack import PamStackError

PATH = "/etc/pam.d/sshd"
PROGRAM = "/opt/notify"
PERMIT = "session required pam_permit.so\n"
READS_IN_AUTH = "auth required pam_env.so user_readenv=1\n" + PERMIT
READS_IN_SESSION = PERMIT + "session required pam_env.so user_readenv=1\n"
MANAGED = "# Ansible managed\n" + PERMIT
VENDOR = Vendor("/usr/lib/pam.d/sshd", PERMIT.encode())


def editor(replaces=(), copy_vendor=False):
    return PamExecLine(PROGRAM, replaces, lambda _name: None, copy_vendor)


BLOCK = "".join(line + "\n" for line in editor().lines)


def test_present_adds_the_lines_and_a_second_time_changes_nothing():
    plan = editor().present(PATH, PERMIT, None)
    assert plan == Plan(BLOCK + PERMIT, None, [], [])
    assert editor().present(PATH, plan.text, None) == plan


def test_absent_gives_the_text_back():
    assert editor().absent(BLOCK + PERMIT, None) == Plan(PERMIT)
    assert editor().absent(PERMIT, None) == Plan(PERMIT)
    assert editor().absent(None, None) == Plan(None)


def test_the_line_of_an_earlier_program_is_replaced():
    old = PERMIT + "session optional pam_exec.so /root/notify.sh\n"
    assert editor(["/root/notify.sh"]).present(PATH, old, None).text == BLOCK + PERMIT
    assert editor(["/root/notify.sh"]).absent(old, None).text == PERMIT


def test_a_missing_file_is_a_copy_of_the_vendors_on_request():
    plan = editor(copy_vendor=True).present(PATH, None, VENDOR)
    assert (plan.text, plan.copied_from) == (BLOCK + PERMIT, VENDOR.path)
    with pytest.raises(PamStackError, match=rf"only the vendor's {VENDOR.path}.*copy_vendor: true"):
        editor().present(PATH, None, VENDOR)
    with pytest.raises(PamStackError, match=r"no such file\. Install the service's package"):
        editor(copy_vendor=True).present(PATH, None, None)


def test_a_vendor_file_that_is_not_text_is_not_copied_but_does_not_prevent_a_removal():
    damaged = Vendor(VENDOR.path, b"\x7fELF\x00")
    with pytest.raises(PamStackError, match="control characters"):
        editor(copy_vendor=True).present(PATH, None, damaged)
    assert editor(copy_vendor=True).absent(BLOCK + PERMIT, damaged) == Plan(PERMIT)


@pytest.mark.parametrize(
    ("before", "vendor", "copy_vendor", "text"),
    [
        (BLOCK + PERMIT, VENDOR, True, None),
        (BLOCK + PERMIT, VENDOR, False, PERMIT),
        (BLOCK + PERMIT, Vendor(VENDOR.path, b"# newer\n" + VENDOR.data), True, PERMIT),
        (PERMIT, VENDOR, True, PERMIT),
    ],
)
def test_only_a_copy_of_ours_goes_with_the_lines(before, vendor, copy_vendor, text):
    assert editor(copy_vendor=copy_vendor).absent(before, vendor).text == text


def test_a_reader_of_the_users_environment_in_the_auth_part_is_refused_unless_accepted():
    with pytest.raises(PamStackError, match=r"sshd line 1 reads ~/\.pam_environment.*Remove user_readenv=1") as refused:
        editor().present(PATH, READS_IN_AUTH, None, ["managed_file"])
    assert "accept: [user_environment] (in the role, ssh_login_notify_accept)" in str(refused.value)
    plan = editor().present(PATH, READS_IN_AUTH, None, ["user_environment"])
    assert [reader["part"] for reader in plan.user_readenv] == ["auth"]
    assert "in the auth part" in plan.warnings[0]


def test_a_reader_in_the_session_part_is_reported_without_a_warning():
    plan = editor().present(PATH, READS_IN_SESSION, None)
    assert plan.user_readenv == [{"file": PATH, "line": 5, "part": "session"}]
    assert plan.warnings == []


def test_a_file_of_another_tool_is_refused_only_while_the_lines_are_missing():
    with pytest.raises(PamStackError, match=r"it says 'Ansible managed'.*accept: \[managed_file\]"):
        editor().present(PATH, MANAGED, None, ["user_environment"])
    accepted = editor().present(PATH, MANAGED, None, ["managed_file"]).text
    assert editor().present(PATH, accepted, None).text == accepted


def test_crlf_is_a_warning():
    (warning,) = editor().present(PATH, PERMIT.replace("\n", "\r\n"), None).warnings
    assert "CRLF" in warning


def test_a_difference_can_be_json_whatever_the_file_holds():
    assert printable(None) == ""
    assert printable(b"caf\xe9\n".decode("utf-8", "surrogateescape")) == "caf\ufffd\n"
