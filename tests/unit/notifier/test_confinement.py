# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that runs in sshd's domain is allowed by SELinux's targeted policy (docs/selinux.md).

A shell would leave that domain for the unconfined one, and ctypes needs writable and executable memory. So these tests
check which modules the hook and its descendants load, and which files they run.
"""

import os
import re
import shutil

import parts
import pytest

# Python itself can affect each case.
pytestmark = pytest.mark.each

NOT_HERE = ("ctypes", "_ctypes", "cffi", "multiprocessing", "pty", "socket", "ssl", "subprocess", "uuid")

# Code at the end of the package: each process that has loaded it records its modules when it ends.
WITNESS = """
import os, sys
_end = os._exit

def _exit(code):
    with open({seen!r}, "a") as file:
        file.write(" ".join(["%d" % os.getpid(), *sorted(sys.modules)]) + "\\n")
    _end(code)

os._exit = _exit
"""


@pytest.fixture
def witnessed(installation):
    """An installation whose processes record, when they end, all modules that they have loaded."""
    seen = installation.root / "modules"
    package = installation.library / "__init__.py"
    package.write_text(package.read_text(encoding="utf-8") + WITNESS.format(seen=str(seen)), encoding="utf-8")
    # The hook ends with posix's own _exit, which the recording code does not replace there.
    text = installation.hook.read_text(encoding="utf-8")
    ends = "        posix._exit(0)  # at once: nothing here"
    assert text.count(ends) == 1
    witness = "        if 'os' in sys.modules: sys.modules['os']._exit(0)\n"
    installation.hook.write_text(text.replace(ends, witness + ends), encoding="utf-8")
    return seen


def log_in(installation):
    assert installation.run({"SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22", "PAM_RHOST": "192.0.2.1"})[:2] == (0, b"")
    installation.wait()


def loaded(seen):
    """Return the modules that any of the processes loaded, and the number of recorded processes."""
    lines = [line.split() for line in seen.read_text().splitlines()]
    return {module for line in lines for module in line[1:]}, len({line[0] for line in lines})


def test_neither_hook_nor_observer_nor_finisher_loads_what_runs_programs_or_needs_execmem(installation, witnessed):
    log_in(installation)
    assert len(installation.names("outgoing")) == 1
    modules, processes = loaded(witnessed)
    assert processes >= 2, "the observer and the finisher"
    assert {"ssh_login_notify.observer", "ssh_login_notify.alert"} <= modules
    assert modules.intersection(NOT_HERE) == set()


def test_so_it_is_where_the_spool_takes_nothing(installation, witnessed):
    shutil.rmtree(str(installation.root / "spool"))
    log_in(installation)
    assert sorted(os.listdir(str(installation.root / "overflow")))[1:] == ["ledger", "wake"]
    modules, _processes = loaded(witnessed)
    assert "ssh_login_notify.overflow" in modules
    assert modules.intersection(NOT_HERE) == set()


def under_strace(installation, calls, trace):
    """Record these system calls of the hook and its descendants."""
    hook = installation.hook
    real = hook.with_name("real-hook")
    real.write_bytes(hook.read_bytes())
    real.chmod(0o755)
    hook.write_text(f"#!/bin/sh\nexec strace -f -qq -e trace={calls} -o {trace} {real}\n")
    return real


@pytest.mark.skipif(not shutil.which("strace"), reason="takes the command strace")
def test_nobody_looks_where_systemd_keeps_its_units(installation, tmp_path):
    """sshd's domain can't, and a denial at each login alarms everybody who monitors the audit log."""
    trace = tmp_path / "trace"
    under_strace(installation, "%file", trace)
    log_in(installation)
    assert len(installation.names("outgoing")) == 1
    assert str(installation.root / "lib" / "host.json") in trace.read_text()
    assert parts.FORBIDDEN not in trace.read_text()


@pytest.mark.skipif(not shutil.which("strace"), reason="takes the command strace")
@pytest.mark.parametrize("systemd", [True, False])
def test_the_only_program_that_is_run_is_our_own_and_that_only_without_systemd(installation, tmp_path, systemd):
    if not systemd:
        installation.has_no_systemd()
    trace = tmp_path / "trace"
    real = under_strace(installation, "execve,execveat", trace)
    log_in(installation)
    if not systemd:
        parts.wait_for(installation.sent.exists)
    # "PID execve("PROGRAM", …": the stand-in for the sender is a script, and the programs that it runs don't count.
    ran = re.findall(r'^\d+ +execve(?:at)?\("([^"]*)"', trace.read_text(), re.M)
    ran = [program for program in ran if os.path.basename(program) not in ("env", "mv")]
    assert ran == [str(real)] + ([] if systemd else [str(tmp_path / "sender")])
