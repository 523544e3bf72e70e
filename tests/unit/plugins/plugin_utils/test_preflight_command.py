# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""preflight_command: from the login shell to the Python that examines the host, and every way in which this can end."""

import ast
import os
import pty
import shlex
import shutil
import subprocess
import sys
import tempfile

import pytest
from ansible_collections.loginwatch.pam.plugins.plugin_utils import preflight_command
from ansible_collections.loginwatch.pam.plugins.plugin_utils.preflight_command import (
    PACKAGE,
    answer,
    command,
    sources,
    without_words,
)

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
PYTHON = "/usr/bin/python3"
NOBODY = 65534
OPTIONS = {
    "state": "present", "pam_services": ["sshd"], "copy_vendor": False, "units": {}, "services": [], "sandbox": [],
    "offline": False, "accept": [], "ca_file": "", "adopt": False, "adopt_commands": [], "adopt_files": [],
    "program": "/nonexistent/program", "pythons": [PYTHON], "python_modules": ["ssl", "json"],
}  # fmt: skip

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def examined(shell=None, user=None, stdin=subprocess.DEVNULL, **options):
    """Return the answer of a host to the user as whom Ansible logs in, with nothing in its PATH."""
    ordered = command(dict(OPTIONS, **options))
    words = ["/bin/sh", "-c", ordered]
    if shell:  # Ansible's connection passes one text to the login shell, which contains sudo's text in quotes
        become = f"exec /bin/sh -c {shlex.quote('echo BECOME-SUCCESS-x ; ' + ordered)}"
        words = [shutil.which(shell), "-c", f"/bin/sh -c {shlex.quote(become)}"]
    with tempfile.TemporaryDirectory() as home:  # fish writes there
        done = subprocess.run(  # noqa: S603
            words, env={"PATH": "/nonexistent", "HOME": home}, stdin=stdin, capture_output=True, text=True,
            check=False, timeout=60, user=user,
        )  # fmt: skip
    return answer(done.stdout, done.stderr)


def program(directory, text):
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    path = directory / "python3"
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake(directory, said, code=1):
    return program(directory, f"#!/bin/sh\necho '{said}'\nexit {code}\n")


def test_it_is_one_line_that_every_login_shell_takes_as_it_is():
    """tcsh splits at line feeds and expands "!" from the history, and fish interprets backslash escapes."""
    ordered = command(OPTIONS)
    assert not set("\n'\\!") & set(ordered)
    # Linux accepts 128 KiB in one argument, and sudo logs each.
    assert len(ordered) < 1 << 15


def test_the_modules_leave_without_their_words_and_with_their_lines():
    text = '"""A module."""\n# Why.\nX = "# no comment"  # behind\n\n\ndef run():\n    """Return\n\n    it.\n    """\n'
    text += '    return 1\n\n\nclass Failure(Exception):\n    """A body of nothing else."""\n'
    short = without_words(text)
    assert short.count("\n") == text.count("\n")
    assert [line for line in short.splitlines() if line] == [
        'X = "# no comment"  # behind', "def run():", "    return 1", "class Failure(Exception):",
        '    """A body of nothing else."""',
    ]  # fmt: skip
    for name, sent in sources():
        parsed = [ast.parse(source) for source in (sent, (PACKAGE / f"{name}.py").read_text(encoding="utf-8"))]
        assert len({ast.dump(ast.parse(without_words(ast.unparse(tree)))) for tree in parsed}) == 1, name


@pytest.mark.parametrize("shell", SHELLS)
def test_it_works_below_every_login_shell_without_a_path(shell):
    assert shutil.which(shell), f"There is no {shell} here. Run `apt-get install {shell}`."
    found = examined(shell)
    assert found["python"] == PYTHON
    assert set(found) >= {"problems", "repairs", "installed", "scheduler", "account", "selinux", "pam_services"}


@pytest.mark.parametrize(
    "said", ["Word too long.", "rbash: line 1: /bin/sh: restricted: cannot specify `/' in command names"]
)
def test_a_login_shell_that_can_not_run_it_is_named(said):
    """These are the messages of Debian's csh (the one that is not tcsh) and of rbash."""
    (problem,) = answer("", said + "\n")["problems"]
    assert problem == (
        f"The login shell of Ansible's user cannot run the commands of this role ({said})."
        " Give that user another one, such as /bin/sh or /bin/bash."
    )


def test_a_restricted_shell_says_so():
    assert "The login shell of Ansible's user cannot run" in examined("rbash")["problems"][0]


def test_it_works_on_a_terminal():
    """As Ansible logs in without pipelining (`ssh -tt`): there find(1) prints more warnings than elsewhere."""
    ours, its = pty.openpty()
    try:
        assert examined(stdin=its)["python"] == PYTHON
    finally:
        os.close(ours)
        os.close(its)


def test_others_than_root_are_told_to_become_root(tmp_path):
    (problem,) = examined(user=NOBODY)["problems"]
    assert problem.startswith("Ansible is not root on the host: set become: true, and check ansible_become and ansible")


def refused(**options):
    (problem,) = examined(**options)["problems"]
    assert problem.startswith("No usable Python: ")
    assert "install the distribution package python3 (3.6 or later; python3-minimal of Debian is not enough)" in problem
    return problem


def test_a_host_without_python_is_told_so():
    assert "none is installed;" in refused(pythons=["/nonexistent/python3", "/nonexistent/python3.[0-9]*"])


def test_a_python_without_a_module_is_told_with_the_modules():
    problem = refused(python_modules=["json", "no_such_module", "nor_this"])
    assert f"{PYTHON} cannot import no_such_module, nor_this;" in problem


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 5, 3)])
def test_a_python_that_is_too_old_says_which_it_is(version):
    """The script must get as far as that, so everything before it is valid Python 2 too."""
    code = f"import sys; sys.version_info = {version}; modules = ()\n" + preflight_command.START
    done = subprocess.run([sys.executable, "-ISBc", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (
        1, f"is Python {version[0]}.{version[1]}, but 3.6 or later is needed\n"
    )  # fmt: skip


def test_each_python_is_told_once_with_its_reason_and_the_next_one_is_taken(tmp_path):
    old = fake(tmp_path / "old", "is Python 3.5, but 3.6 or later is needed")
    assert f"{old} is Python 3.5, but 3.6 or later is needed;" in refused(pythons=[str(old)])
    assert refused(pythons=[str(old), str(old)]).count("3.5") == 1
    assert examined(pythons=[str(old), PYTHON])["python"] == PYTHON


@pytest.mark.parametrize("what", ["program", "directory", "owner"])
def test_a_python_that_others_can_write_does_not_run(tmp_path, what):
    ran = tmp_path / "ran"
    python = program(tmp_path / "open", f"#!/bin/sh\n: > {ran}\n")
    if what == "owner":
        os.chown(python, NOBODY, 0)
    else:
        (python if what == "program" else python.parent).chmod(0o777)
    assert f"{python} or its directory can be written by users other than root;" in refused(pythons=[str(python)])
    assert not ran.exists()


def test_to_remove_the_notifier_any_python_will_do_that_ansible_runs_by(tmp_path):
    directory = tmp_path / "open"
    program(directory, f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    directory.chmod(0o777)
    found = examined(state="absent", pythons=[str(directory / "python3")], python_modules=["no_such_module"])
    assert found["python"] == str(directory / "python3")
    assert found["problems"] == []


def test_the_python_that_the_notifier_has_is_kept(tmp_path):
    kept = program(tmp_path / "kept", f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    installed = tmp_path / "ssh-login-notify"
    installed.write_text(f"#!{kept} -ISB\nimport posix\n")
    assert examined(program=str(installed))["python"] == str(kept)
    kept.unlink()
    assert examined(program=str(installed))["python"] == PYTHON


def test_a_program_that_breaks_down_is_not_taken_for_a_host_without_python(monkeypatch):
    monkeypatch.setattr(preflight_command, "sources", lambda: [("preflight", "def examine(*_): raise KeyError('x')")])
    monkeypatch.setattr(preflight_command, "code", preflight_command.code.__wrapped__)
    (problem,) = examined()["problems"]
    assert problem.startswith("The host could not be examined (")
    assert "KeyError: 'x'" in problem


def test_the_program_is_made_once_in_a_run_and_not_for_each_host():
    """Ansible imports the action plugin in its main process, from which it forks a worker for each host."""
    script = (
        "from ansible_collections.loginwatch.pam.plugins.action import preflight\n"
        "print(preflight.preflight_command.code.cache_info().currsize)"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


def test_what_others_print_before_and_after_does_not_count():
    assert answer('Welcome: facts\r\nfacts: {"problems": []}\r\nbye\r\n') == {"problems": []}
    assert answer("refused: x\n") == {"problems": ["x"]}
    (problem,) = answer("", "sh: not found")["problems"]
    assert problem == "The host could not be examined (sh: not found). Run again with -vvv to see more."
