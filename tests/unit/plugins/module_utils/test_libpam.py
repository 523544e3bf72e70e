# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that the machine's own libpam opens. They also prove that pam_stack parses files as libpam does."""

import ctypes
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _libpam, pam_stack

LINE = "session optional pam_exec.so type=open_session quiet seteuid {program}\n"


def has_confdir():
    try:
        return hasattr(ctypes.CDLL("libpam.so.0"), "pam_start_confdir")
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_confdir(), reason="takes a Linux-PAM with pam_start_confdir, 1.4 or later")


@pytest.fixture
def pam(tmp_path):
    """Services in their own directory, and a program that records its environment."""
    return Pam(tmp_path)


class Pam:
    def __init__(self, path):
        self.confdir = path / "pam.d"
        self.confdir.mkdir()
        self.program = path / "program"
        self.environment = path / "environment"
        self.write_program("env > " + str(self.environment))

    def write_program(self, command):
        self.program.write_text("#!/bin/sh\nPATH=/usr/bin:/bin\n" + command + "\n", encoding="ascii")
        self.program.chmod(0o755)

    def open(self, text, timeout=20, **environment):
        # In bytes, so that line ends are not translated.
        (self.confdir / "service").write_bytes(text.format(program=self.program).encode("ascii"))
        return _libpam.open_session_in_child(
            timeout,
            service="service",
            user="loginwatch-test",
            items={_libpam.PAM_TTY: "ssh", _libpam.PAM_RHOST: "192.0.2.1"},
            environment=environment,
            confdir=str(self.confdir),
        )

    def seen(self):
        if not self.environment.exists():
            return None
        return dict(line.split("=", 1) for line in self.environment.read_text(encoding="ascii").splitlines() if line)


def test_the_program_gets_the_items_and_the_environment(pam):
    assert pam.open(LINE, SSH_CONNECTION="192.0.2.1 4711 192.0.2.2 22") == []
    seen = pam.seen()
    assert seen["PAM_TYPE"] == "open_session"
    assert (seen["PAM_SERVICE"], seen["PAM_USER"]) == ("service", "loginwatch-test")
    assert (seen["PAM_TTY"], seen["PAM_RHOST"]) == ("ssh", "192.0.2.1")
    assert seen["SSH_CONNECTION"] == "192.0.2.1 4711 192.0.2.2 22"


def test_messages_of_the_modules_are_collected(pam):
    messages = pam.open("session required pam_echo.so first {{}} %u\nsession required pam_permit.so\n")
    assert [message.strip() for message in messages] == ["first {} loginwatch-test"]


def test_a_program_that_fails_is_an_error(pam):
    pam.write_program("exit 7")
    with pytest.raises(_libpam.PamError, match="Permission denied"):
        pam.open(LINE)


def test_a_program_that_hangs_does_not_hang_this_side(pam):
    pam.write_program("exec sleep 5")
    started = time.monotonic()
    with pytest.raises(_libpam.PamError, match=r"longer than 0\.5 s"):
        pam.open(LINE, timeout=0.5)
    assert time.monotonic() - started < 4


def children():
    """Return the pids of our own child processes, including zombies."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


def test_the_child_is_reaped(pam):
    before = children()
    pam.open(LINE)
    assert children() == before


# How pam_stack parses a text, and what libpam does with it.
SPELLINGS = [
    (LINE, True),
    ("# " + LINE, False),
    ("-" + LINE, True),
    ("\t" + LINE.replace(" ", " \t ").replace("session", "SESSION", 1), True),
    (LINE.replace(" pam_exec.so", "\\\n  pam_exec.so"), True),
    ("# a comment is not continued \\\n" + LINE, True),
    ("session required pam_permit.so \\\n" + LINE, False),
    ("session [success=ok default=ignore]pam_exec.so [type=open_session] quiet [{program}]\n", True),
    (LINE.replace("\n", "# with a comment\n"), True),
    ("session optional pam_exec.so type=open_session quiet # {program}\n", False),
    ("session\x0boptional pam_exec.so {program}\n", False),
    ("auth optional pam_exec.so {program}\n", False),
]


@pytest.mark.parametrize(("text", "runs"), SPELLINGS)
def test_libpam_and_pam_stack_agree_on_what_runs(pam, text, runs):
    permit = "session required pam_permit.so\n"
    try:
        pam.open(permit + text)
    except _libpam.PamError:
        assert not runs
    assert (pam.seen() is not None) == runs
    found = pam_stack.find((permit + text).format(program=pam.program), str(pam.program))
    assert (found is not None) == runs


def test_with_a_carriage_return_the_program_is_not_found(pam):
    # Therefore present() ends our line with a plain line feed, even in a file with CRLF.
    pam.open(LINE.replace("\n", "\r\n") + "session required pam_permit.so\n")
    assert pam.seen() is None


def test_a_stack_of_our_line_alone_refuses_the_session_when_the_program_fails(pam):
    # Therefore present() refuses to make ours the only session rule.
    with pytest.raises(_libpam.PamError):
        pam.open(LINE.replace("{program}", "/nonexistent"))
    assert pam.open(LINE.replace("{program}", "/nonexistent") + "session required pam_permit.so\n") == []


def test_a_jump_skips_the_rule_that_follows_it(pam):
    # Therefore a leading close that jumps does not stay in front of our line.
    pam.open("session [success=1 default=ignore] pam_permit.so\n" + LINE + "session required pam_permit.so\n")
    assert pam.seen() is None


# -- the block: what it does if the program can't be run --------------------------------------------------------------

PERMIT = "session required pam_permit.so\n"
LONGEST_STRING = 128 * 1024  # bytes that Linux accepts for one variable, its name and the NUL included (execve(2))


@pytest.fixture
def block(pam):
    """The three lines as pam_stack writes them, with a copy of the real pam_env.conf."""
    real = Path(__file__).resolve().parents[4] / "files" / "pam_env.conf"
    pam.second = pam.confdir.parent / "pam_env.conf"
    pam.second.write_bytes(real.read_bytes())
    lines = "".join(line + "\n" for line in pam_stack.rule_lines(str(pam.program)))
    return lines.replace(pam_stack.WITHHOLDING, f"conffile={pam.second}")


def count_runs(pam, then=""):
    runs = pam.confdir.parent / "runs"
    pam.write_program(f"echo run >> {runs}; env > {pam.environment}; {then}")
    return lambda: runs.read_text(encoding="ascii").count("run") if runs.exists() else 0


def test_a_program_that_succeeds_runs_once_with_all_that_sshd_said(pam, block):
    runs = count_runs(pam)
    pam.open(block + PERMIT, SSH_AUTH_INFO_0="publickey ssh-ed25519 AAAA")
    assert (runs(), pam.seen()["SSH_AUTH_INFO_0"]) == (1, "publickey ssh-ed25519 AAAA")


@pytest.mark.parametrize("length", [LONGEST_STRING, LONGEST_STRING + 1, 1 << 20])
def test_a_variable_that_no_program_can_be_run_with_is_withheld(pam, block, length):
    key = "k" * (length - len("SSH_AUTH_INFO_0="))
    pam.open(LINE + PERMIT, SSH_AUTH_INFO_0=key)
    assert pam.seen() is None, "with a single line nothing is run"
    runs = count_runs(pam)
    pam.open(block + PERMIT, SSH_AUTH_INFO_0=key, SSH_CONNECTION="192.0.2.1 4711 192.0.2.2 22")
    assert (runs(), pam.seen()["SSH_AUTH_INFO_0"]) == (1, "withheld")
    assert pam.seen()["SSH_CONNECTION"] == "192.0.2.1 4711 192.0.2.2 22"
    assert pam.seen()["PAM_USER"] == "loginwatch-test"


def test_the_longest_variable_that_a_program_can_be_run_with_is_not_withheld(pam, block):
    key = "k" * (LONGEST_STRING - len("SSH_AUTH_INFO_0=") - 1)
    pam.open(block + PERMIT, SSH_AUTH_INFO_0=key)
    assert pam.seen()["SSH_AUTH_INFO_0"] == key


@pytest.mark.parametrize("broken", ["program", "mode", "interpreter", "exit", "pam_exec", "pam_env", "file", "all"])
def test_whatever_of_it_is_missing_or_broken_the_login_goes_on(pam, block, broken):
    if broken in ("program", "all"):
        pam.program.unlink()
    elif broken == "mode":
        pam.program.chmod(0)
    elif broken == "interpreter":
        pam.program.write_text("#!/nonexistent/python3\n", encoding="ascii")
    elif broken == "exit":
        pam.write_program("exit 7")
    if broken in ("pam_exec", "all"):
        block = block.replace("pam_exec.so", "pam_not_there.so")
    if broken in ("pam_env", "all"):
        block = block.replace("pam_env.so", "pam_not_there_either.so")
    if broken in ("file", "all"):
        pam.second.unlink()
    for key in ("publickey ssh-ed25519 AAAA", "k" * LONGEST_STRING):
        messages = pam.open(block + "session required pam_echo.so reached\n" + PERMIT, SSH_AUTH_INFO_0=key)
        assert [message.strip() for message in messages] == ["reached"], "no rule that follows is skipped"


def test_a_program_that_fails_is_run_twice_and_no_more(pam, block):
    runs = count_runs(pam, "exit 1")
    pam.open(block + PERMIT)
    assert runs() == 2


def test_a_block_that_is_not_whole_skips_the_rule_of_somebody_else(pam, block):
    # Therefore `status` is critical for such a block, and the role repairs it.
    first = block.splitlines(keepends=True)[0]
    echo = "session required pam_echo.so skipped\n"
    assert pam.open(first + echo + echo + PERMIT) == []


def test_what_find_gives_decides_alone_whether_the_session_opens(pam, block):
    # Therefore a test alert uses the last line: its service has nothing else.
    last = pam_stack.find(block, str(pam.program))
    assert pam.open(last + "\n") == []
    pam.write_program("exit 1")
    with pytest.raises(_libpam.PamError):
        pam.open(last + "\n")
