# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""titles: the titles that sshd writes, for any name."""

import pytest
from ssh_login_notify import titles


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([b"sshd: deploy [priv]"], (b"sshd", b"deploy [priv]")),
        ([b"sshd-session.pam: deploy@notty"], (b"sshd-session.pam", b"deploy@notty")),
        ([b"sshd: a: b@notty"], (b"sshd", b"a: b@notty")),
        ([b"sshd: deploy [priv]", b"R"], (b"sshd", b"deploy [priv]")),  # env -i /usr/sbin/sshd -D -R
        ([b"login", b"--", b"a: b"], (b"", b"")),
        ([b"/usr/sbin/sshd", b"-D"], (b"", b"")),
        ([], (b"", b"")),
    ],
)
def test_a_title_is_a_program_and_a_text(arguments, parts):
    assert titles.split(arguments) == parts


@pytest.mark.parametrize(
    ("text", "user", "session"),
    [
        (b"deploy", b"deploy", b""),
        (b"deploy@notty", b"deploy", b"notty"),
        (b"deploy@pts/0", b"deploy", b"pts/0"),
        (b"deploy@pts/0,pts/12", b"deploy", b"pts/0,pts/12"),
        (b"jdoe@corp.example.com", b"jdoe@corp.example.com", b""),
        (b"jdoe@corp.example.com@notty", b"jdoe@corp.example.com", b"notty"),
        (b"jdoe@CORP", b"jdoe@CORP", b""),
        (b"jdoe@pts", b"jdoe@pts", b""),
        (b"jdoe@", b"jdoe@", b""),
        (b"jdoe@pts/0,corp", b"jdoe@pts/0,corp", b""),
        (b"John Doe@pts/3", b"John Doe", b"pts/3"),
        (b"", b"", b""),
    ],
)
def test_a_session_is_no_part_of_the_users_name(text, user, session):
    assert titles.user_and_session(text) == (user, session)


@pytest.mark.parametrize("text", [b"deploy [priv]", b"a b [postauth]", b"deploy [net]", b"unknown [pam]"])
def test_the_titles_of_a_monitor_and_its_helpers_are_recognized(text):
    assert titles.is_helpers(text)


@pytest.mark.parametrize("text", [b"deploy", b"deploy@notty", b"[priv]", b"a]", b"a [b@pts/0", b""])
def test_a_server_is_no_helper(text):
    assert not titles.is_helpers(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"deploy", b"deploy"),
        (b"CORP\\jdoe", b"CORP\\\\jdoe"),
        (b"John Doe", b"John Doe"),
        ("jörg".encode(), b"j\\303\\266rg"),
        (b"a\x7fb", b"a\\177b"),
        (b"", b""),
    ],
)
def test_a_name_is_encoded_as_by_strnvis(name, shown):
    assert titles.encoded(name) == shown


def test_a_title_that_fills_the_room_may_be_cut():
    """setproctitle.c: at most argv_env_len - 1 bytes, and argv_env_len = lastargv - argv[0] - 1."""
    room = len(b"/usr/sbin/sshd\0-D\0-R\0")
    assert titles.may_be_cut(b"sshd: deploy@nott", 20)
    assert not titles.may_be_cut(b"sshd: deploy@nott", room)
    assert titles.may_be_cut(b"sshd: deploy@notty", room)
    assert not titles.may_be_cut(b"sshd: deploy@notty", 0)
    assert titles.may_be_cut(b"sshd: " + 1014 * b"a", 0)
    assert titles.may_be_cut(b"sshd: " + 1014 * b"a", 5000)
