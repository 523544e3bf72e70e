# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line that is recognized as a transfer runs that server in every shell, as its clients do, and nothing else."""

from __future__ import annotations

import re
import string

import client_lines
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from real_shells import NAMES, record
from ssh_login_notify.command_line import EXEC, EXPANDS, classify_command, classify_program, plain_words
from ssh_login_notify.login_types import TRANSFERS


def without_exec(line: bytes) -> bytes:
    """Return the line of the program that a shell runs in its own place."""
    return line[len(EXEC) :] if line.startswith(EXEC) else line


# Lines whose server a stub can replace: its path has no directory.
LINES = [
    line
    for line, _kind in client_lines.lines(client_lines.RECORDED, client_lines.DOCUMENTED)
    if b"/" not in without_exec(line).split(b" ")[0]
]
# Words that the shells replace: file names, and the home directory.
HAS_HOME = re.compile(rb"(^| )~")

SYNTAX = [
    b"'", b'"', b"\\", b"$", b"`", b"(", b")", b"{", b"}", b"[", b"]", b";", b"&", b"|", b"<", b">", b"#",
    b"\n", b"\t", b" ", b" ", b" ", b"!", b"~", b"*", b"?", b"=", b",", b"%", b"^", b"@", b"-", b"+", b":",
    b"/", b".", b"a", b"\r", b"''", b'""', b"\\'", b'\\"', b"\\\\", b"\\ ", b"\\\n", b"\\-", b"\\n", b"\\x41",
    b"$'", b'$"', b"'\\''", b"'\"'\"'", b"evil", b" evil ", b"; evil", b"\nevil", b"'; evil #", b"\"; evil #",
    b"\\; evil", b"(evil)", b"$(evil)", b"`evil`", b"$LC_A", b"${LC_A@P}", b"$[LC_B]", b"LC_B", b"{a,-S}",
    b"{-S,a}", b"a*", b"-*", b"*il", b"~+", b"~-", b"a=~", b":~", b"=evil", b"!evil", b"!!", b"%1", b"%self", b"^evil",
    b"2>evil", b"eval", b"exec", b"@P", b"-S evil", b"-S", b"-e evil", b"-t", b"--daemon", b"--config=x",
    b"--help", b"-s", b"--", b" -- ", b" . ", b"\x0b", b"\x0c", b"\x1f", b"\x7f", b"\xff", b"\xc2\x85",
    b"\xc2\xa0", b"\xe2\x80\x83", b"\xe3\x80\x80", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xef\x98\x80",
    b"\xef\xb7\x90", "ö".encode(), "一".encode(), b"A" * 5000, b" " * 5000,
]  # fmt: skip


def assert_runs_alone(shells, line: bytes) -> None:
    """Run a line that is recognized as a transfer, and assert that it runs only its server."""
    kind, words = classify_command(line), plain_words(without_exec(line))
    is_literal = not any(EXPANDS in word for word in words) and not HAS_HOME.search(line)
    written_by, made = shells.run(line)
    assert not made, line
    for shell, written in written_by.items():
        if is_literal:
            assert written == record(words), (shell, line)
        elif written:  # a pattern that matches no file is an error in some shells
            arguments = written.split(b"\0")[:-2]
            assert written == record(arguments), (shell, line)
            assert classify_program(arguments, b"") == kind, (shell, line, arguments)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.decode())
def test_every_shell_runs_the_server_for_a_client_s_line(shells, line):
    assert classify_command(line) in TRANSFERS
    assert_runs_alone(shells, line)


@st.composite
def nearly_clients_lines(draw):
    """Return a client's line with pieces of shell syntax in it."""
    line = draw(st.sampled_from(LINES))
    for _number in range(draw(st.integers(1, 4))):
        position = draw(st.integers(line.index(b" ") + 1, len(line)))
        line = line[:position] + draw(st.sampled_from(SYNTAX)) + line[position:]
    return line


@given(line=nearly_clients_lines())
def test_no_shell_runs_anything_else_for_a_line_that_is_called_a_transfer(shells, line):
    assume(classify_command(line) in TRANSFERS)
    assert_runs_alone(shells, line)


@given(
    start=st.sampled_from([b"scp -t ", b"scp -t -- ", b"rsync --server -vre.iLsf . ", b"git-upload-pack "]),
    rest=st.lists(st.sampled_from(SYNTAX), min_size=1, max_size=8).map(b"".join),
)
def test_no_shell_runs_anything_else_for_paths_of_any_pieces(shells, start, rest):
    assume(classify_command(start + rest) in TRANSFERS)
    assert_runs_alone(shells, start + rest)


@pytest.mark.parametrize(
    "form", [b"%s", b"\\%s", b"'%s'", b'"%s"', b"a%sb", b"a\\%sb", b"a'%s'b", b'a"%s"b', b"a%s", b"a\\%s"], ids=repr
)
def test_every_character_is_the_same_to_every_shell_where_it_is_accepted(shells, form):
    """Each in a word of its own, except those that shells replace."""
    words = [form % character.encode() for character in [*string.printable, "é", "ß", "一", "😀", "\u0308"]]
    taken = [word for word in words if plain_words(word) and EXPANDS not in plain_words(word)[0]]
    taken = [word for word in taken if word != b"~" and word.strip(b" ") == word]
    assert len(taken) > 30
    assert_runs_alone(shells, b"scp -t -- " + b" ".join(taken))


@pytest.mark.parametrize(
    ("line", "deceived"),
    [
        (b"rsync --server . x; evil", NAMES),
        (b"rsync --server . x\nevil", NAMES),
        (b"rsync --server . x & evil", NAMES),
        (b"rsync --server . `evil`", ("bash", "dash", "zsh", "tcsh")),
        (b"rsync --server . (evil)", ("fish",)),
        (b"rsync --server . " + b"a" * 70000 + b"; evil", NAMES),
        (b"git-upload-pack ${LC_A@P}", ("bash",)),
        (b"git-upload-pack 'a\\'' ; evil #'", ("fish",)),
        (b"scp\x0b-t\x0bx", NAMES),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_runs_something_else_is_seen_to_and_is_a_command(shells, line, deceived):
    """Without this, the other tests could pass because they detect nothing."""
    shells.add_program("scp\x0b-t\x0bx")
    _written, made = shells.run(line)
    assert made == set(deceived)
    assert classify_command(line) not in TRANSFERS


@pytest.mark.parametrize(
    ("line", "shell", "arguments"),
    [
        (b"rsync --server -\\\n-daemon .", "bash", [b"rsync", b"--server", b"--daemon", b"."]),
        (b"git-upload-pack \\\n--help", "dash", [b"git-upload-pack", b"--help"]),
        (b"git-upload-pack \\\n--help", "tcsh", [b"git-upload-pack", b"--help"]),
        (b"rsync --server . x\r--daemon", "fish", [b"rsync", b"--server", b".", b"x", b"--daemon"]),
        (b"rsync --server . --d*", "dash", [b"rsync", b"--server", b".", b"--daemon"]),
        (b"rsync --server . {--daemon,x}", "zsh", [b"rsync", b"--server", b".", b"--daemon", b"x"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_a_shell_gives_other_words_is_a_command(shells, line, shell, arguments):
    written, _made = shells.run(line)
    assert written[shell] == record(arguments)
    assert classify_command(line) not in TRANSFERS
