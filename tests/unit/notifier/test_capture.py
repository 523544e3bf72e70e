# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""capture: the last of equal names counts, an attempted forgery is noted, and no bytes cause an error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.capture import Capture, start_time

# Python itself can affect each case.
pytestmark = pytest.mark.each

FILES = Path(__file__).resolve().parents[3] / "files"
NAME = "1763884862.123456-4242"
HEADER = b"capture=1\0parent=4200\0parent_stat=4200 (sshd) S 1 " + b"0 " * 17 + b"98765 0\0\0"
DAMAGED = ["the record of this login that the hook wrote is damaged, or of another version"]


def test_a_capture_tells_the_time_the_parent_and_the_environment():
    capture = Capture(NAME, HEADER + b"SSH_CONNECTION=192.0.2.1 5 192.0.2.2 22\0PAM_USER=deploy\0EMPTY=\0")
    assert (capture.name, capture.time) == (NAME, 1763884862.123456)
    assert (capture.parent, capture.parent_start) == (4200, 98765)
    assert capture.get(b"PAM_USER") == b"deploy"
    assert capture.get(b"EMPTY") == capture.get(b"MISSING") == b""
    assert capture.notes == []


@pytest.mark.parametrize("name", [b"PAM_USER", b"PAM_RHOST", b"PAM_TYPE", b"SSH_CONNECTION", b"SSH_AUTH_INFO_0"])
def test_of_two_equal_names_the_last_is_true_and_the_first_is_noted_as_an_attempt_to_forge(name):
    capture = Capture(NAME, HEADER + name + b"=forged\0OTHER=1\0" + name + b"=true\0")
    assert capture.get(name) == b"true"
    assert capture.notes == ["the login's environment tried to forge " + name.decode()]


def test_a_name_that_the_login_may_repeat_is_not_worth_a_note():
    assert Capture(NAME, HEADER + b"LANG=a\0LANG=b\0").notes == []


def test_a_login_whose_key_was_too_long_for_the_hook_is_an_anomaly():
    word = (FILES / "pam_env.conf").read_text(encoding="utf-8").rpartition("\nSSH_AUTH_INFO_0 DEFAULT=")[2].strip()
    capture = Capture(NAME, HEADER + b"SSH_AUTH_INFO_0=" + word.encode() + b"\0PAM_USER=x\0")
    assert capture.is_withheld
    assert "most likely because it is too long" in capture.notes[0]
    honest = Capture(NAME, HEADER + b"SSH_AUTH_INFO_0=password\0PAM_USER=x\0")
    assert not honest.is_withheld
    assert honest.notes == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "GCONV_PATH", "OPENSSL_CONF", "SSL_CERT_FILE"])
def test_a_variable_that_would_run_code_in_a_root_process_is_noted(name):
    capture = Capture(NAME, HEADER + name.encode() + b"=/tmp/evil.so\0PAM_USER=x\0")
    assert capture.notes == ["the login's environment held " + name]


@pytest.mark.parametrize(
    ("connection", "host", "differ"),
    [
        (b"203.0.113.9 1 192.0.2.1 22", b"198.51.100.1", True),
        (b"203.0.113.9 1 192.0.2.1 22", b"2001:db8::1", True),
        (b"203.0.113.9 1 192.0.2.1 22", b"203.0.113.9", False),
        (b"fe80::1%eth0 1 fe80::2%eth0 22", b"fe80::1%eth0", False),
        (b"203.0.113.9 1 192.0.2.1 22", b"host.example.com", False),
        (b"203.0.113.9 1 192.0.2.1 22", b"cafe", False),
        (b"203.0.113.9 1 192.0.2.1 22", b"cafe.de", False),
        (b"203.0.113.9 1 192.0.2.1 22", b"::ffff:198.51.100.1", True),
        (b"203.0.113.9 1 192.0.2.1 22", b"", False),
        (b"", b"203.0.113.9", False),
    ],
)
def test_a_connection_that_does_not_fit_the_address_of_pam_is_noted(connection, host, differ):
    capture = Capture(NAME, HEADER + b"SSH_CONNECTION=" + connection + b"\0PAM_RHOST=" + host + b"\0")
    assert [note.partition(" have")[0] for note in capture.notes] == ["SSH_CONNECTION and PAM_RHOST"] * differ


def test_a_note_stays_short_and_printable_whatever_the_names_are():
    names = [b"LD_\x1b" + b"x" * 500 + b"%d" % number for number in range(100)]
    (note,) = Capture(NAME, HEADER + b"".join(name + b"=1\0" for name in names)).notes
    assert len(note) < 800
    assert note.endswith(" and more")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"\0\0",
        b"capture=1\0parent=1",  # truncated within the header
        HEADER,  # truncated before the environment
        HEADER.replace(b"capture=1", b"capture=2") + b"PAM_USER=x\0",
        b"PAM_USER=x\0PAM_TYPE=open_session\0",
    ],
)
def test_a_capture_that_is_damaged_or_of_another_version_says_so(raw):
    assert Capture(NAME, raw).notes == DAMAGED


def test_a_header_without_a_parent_leaves_the_parent_open():
    capture = Capture(NAME, b"capture=1\0parent=77\0parent_stat=\0\0PAM_USER=x\0")
    assert (capture.parent, capture.parent_start, capture.notes) == (77, None, [])


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_reading_fail(raw):
    for capture in (Capture(NAME, raw), Capture(NAME, HEADER + raw)):
        assert isinstance(capture.parent, int)
        assert all(isinstance(value, bytes) for value in capture.environment.values())


@given(st.lists(st.tuples(st.sampled_from([b"A", b"PAM_USER", b"LD_X"]), st.binary(max_size=9)), max_size=9))
def test_the_environment_is_what_was_set_last(pairs):
    pairs = [(name, value.replace(b"\0", b"")) for name, value in pairs]
    raw = HEADER + b"".join(name + b"=" + value + b"\0" for name, value in pairs)
    assert Capture(NAME, raw).environment == dict(pairs)


@pytest.mark.parametrize("name", [b"sshd", b"a b", b"a) S 1 (b", b")", b""])
def test_the_start_time_is_field_22_whatever_the_process_is_called(name):
    assert start_time(b"7 (" + name + b") S 1 " + b"0 " * 17 + b"4711 0 0") == 4711


@pytest.mark.parametrize("stat", [b"", b"7 (sshd", b"7 (sshd) S 1 2 3", b"nothing"])
def test_the_start_time_of_a_line_that_is_cut_is_not_known(stat):
    assert start_time(stat) is None


def test_the_start_time_of_this_process_is_what_proc_tells():
    with open("/proc/self/stat", "rb") as file:
        assert start_time(file.read()) > 0


def test_a_variables_name_adds_no_words_to_a_note():
    names = [b"LD_PRELOAD", "LD_X, y; z · Note: all is well, as usual".encode()]
    (note,) = Capture(NAME, HEADER + b"".join(name + b"=x\0" for name in names)).notes
    assert note == 'the login\'s environment held LD_PRELOAD, "LD_X, y; z \\u00b7 Note: all is well, as usual"'
