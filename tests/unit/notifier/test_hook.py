# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook: run as pam_exec runs it, it writes a capture and exits, whatever happens."""

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import parts
import pytest
from parts import another_process_holding, needs_root, wait_for
from ssh_login_notify.capture import Capture
from ssh_login_notify.spool import is_name

# Python itself can affect each case.
pytestmark = pytest.mark.each

QUICK = 1.5  # seconds, less than the hook's own two; a hook takes some hundredths, but the machine can be busy
UNHURRIED = "UNSERVED_SECONDS = 1.5"


@pytest.fixture
def alone(installation):
    """An installation whose observer can't start: captures stay where the hook has put them."""
    (installation.library / "observer.py").unlink()
    return installation


def change_hook(installation, old, new):
    text = installation.hook.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    installation.hook.write_text(text.replace(old, new), encoding="utf-8")


def log_in(installation, *environment, **options):
    """Run the hook, and wait until its descendants have ended too."""
    done = installation.run(*environment, **options)
    installation.wait()
    return done


def captured(installation):
    (name,) = installation.names("incoming")
    return Capture(name, installation.read("incoming", name))


def test_a_login_is_written_down_whole(alone):
    before = time.time()
    variables = {"SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22", "ODD": "a=b\n\x1b é", "EMPTY": ""}
    assert log_in(alone, variables)[:2] == (0, b"")
    capture = captured(alone)
    assert is_name(capture.name)
    assert os.listdir(alone.spool.path("incoming")) == [capture.name]
    assert before - 0.001 <= capture.time <= time.time()
    assert capture.parent == os.getpid()
    with open("/proc/self/stat", "rb") as file:
        assert capture.parent_start == int(file.read().rpartition(b")")[2].split()[19])
    assert capture.environment == {
        b"PAM_TYPE": b"open_session", b"PAM_USER": b"deploy", b"PAM_SERVICE": b"sshd", b"EMPTY": b"",
        b"SSH_CONNECTION": b"192.0.2.1 5 192.0.2.2 22", b"ODD": "a=b\n\x1b é".encode(),
    }  # fmt: skip
    assert capture.notes == []


def test_nobody_else_may_read_what_is_written_down(alone):
    log_in(alone, preexec_fn=lambda: os.umask(0))
    for name in os.listdir(alone.spool.path("incoming")):
        assert os.stat(alone.spool.path("incoming", name)).st_mode & 0o777 == 0o600
    assert os.stat(alone.spool.path("observer.lock")).st_mode & 0o777 == 0o600


def test_later_logins_have_later_names(alone):
    for number in range(3):
        log_in(alone, {"PAM_USER": f"user{number}"})
    users = [Capture(name, alone.read("incoming", name)).get(b"PAM_USER") for name in alone.names("incoming")]
    assert users == [b"user0", b"user1", b"user2"]


def test_the_last_of_two_equal_names_wins_as_pam_put_it_there(alone):
    # A dictionary can't contain a name twice, so the environment is passed to execve(2) itself.
    forged = [b"PAM_USER=forged", b"PAM_TYPE=close_session", b"PAM_RHOST=forged"]
    genuine = [b"PAM_USER=true", b"PAM_RHOST=true", b"PAM_TYPE=open_session"]
    program = os.fsencode(str(alone.hook))

    def execve():
        arguments = (ctypes.c_char_p * 2)(program, None)
        ctypes.CDLL(None).execve(program, arguments, (ctypes.c_char_p * 7)(*forged, *genuine, None))

    subprocess.run(["/bin/true"], preexec_fn=execve, check=True)
    alone.wait()
    capture = captured(alone)
    assert capture.get(b"PAM_USER") == capture.get(b"PAM_RHOST") == b"true"
    assert capture.notes == ["the login's environment tried to forge PAM_RHOST, PAM_TYPE, PAM_USER"]


def test_a_variable_that_leads_pythons_astray_does_not(alone, tmp_path):
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("time", "posix", "site", "sitecustomize", "ssh_login_notify"):
        (evil / (name + ".py")).write_text("open({!r}, 'w')".format(str(tmp_path / "pwned")))
    variables = {"PYTHONPATH": str(evil), "PYTHONHOME": str(evil), "PYTHONSTARTUP": str(evil / "time.py")}
    assert log_in(alone, variables, cwd=str(evil))[:2] == (0, b"")
    assert not (tmp_path / "pwned").exists()
    assert captured(alone).notes == ["the login's environment held PYTHONHOME, PYTHONPATH, PYTHONSTARTUP"]


def test_at_the_end_of_a_session_it_does_nothing(alone):
    assert log_in(alone, {"PAM_TYPE": "close_session"})[:2] == (0, b"")
    assert os.listdir(alone.spool.path("incoming")) == []
    assert not os.path.exists(alone.spool.path("observer.lock"))


@pytest.mark.parametrize("size", [64 << 10, 1 << 20])
def test_of_a_huge_environment_the_end_is_kept_where_pams_own_variables_stand(alone, size):
    variables = {f"JUNK{number}": "x" * 30000 for number in range(size // 30000)}
    variables.update(PAM_RHOST="true")
    returncode, printed, seconds = log_in(alone, variables)
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK
    (name,) = alone.names("incoming")
    assert len(alone.read("incoming", name)) < (1 << 18) + 1000
    capture = captured(alone)
    assert (capture.get(b"PAM_RHOST"), capture.parent, capture.notes) == (b"true", os.getpid(), [])


def spool_missing(installation):
    installation.spool.remove("", "observer.lock")
    os.rename(installation.spool.root, installation.spool.root + ".away")


def spool_a_file(installation):
    spool_missing(installation)
    parts.Path(installation.spool.root).touch()


def incoming_missing(installation):
    os.rmdir(installation.spool.path("incoming"))


def incoming_a_file(installation):
    incoming_missing(installation)
    parts.Path(installation.spool.path("incoming")).touch()


def incoming_a_fifo(installation):
    incoming_missing(installation)
    os.mkfifo(installation.spool.path("incoming"))


def lock_a_directory(installation):
    os.mkdir(installation.spool.path("observer.lock"))


def lock_a_fifo(installation):
    os.mkfifo(installation.spool.path("observer.lock"))


def package_missing(installation):
    os.rename(str(installation.library), str(installation.library) + ".away")


def package_with_a_syntax_error(installation):
    (installation.library / "observer.py").write_text("def main(:\n")


def package_that_raises(installation):
    (installation.library / "observer.py").write_text("raise SystemExit('a word that nobody may see')\n")


def package_that_prints(installation):
    text = "import sys\ndef main(unkept):\n    print('a word that nobody may see')\n    sys.stderr.write('nor this')\n"
    (installation.library / "observer.py").write_text(text)


def clock_wrong(installation):
    change_hook(installation, "{time.time():017.6f}", "{-1.5:017.6f}")


def memory_gone(installation):
    change_hook(installation, "    parent = posix.getppid()", "    raise MemoryError")


def memory_gone_after_the_fork(installation):
    change_hook(installation, "        detach()", "        raise MemoryError")


def handover_missing(installation):
    (installation.library / "handover.py").unlink()


def handover_that_raises(installation):
    (installation.library / "handover.py").write_text("raise SystemExit('a word that nobody may see')\n")


def exits_missing(installation):
    (installation.library / "exits.py").unlink()


def exits_that_raise(installation):
    (installation.library / "exits.py").write_text("raise SystemExit('a word that nobody may see')\n")


TROUBLES = [
    spool_missing, spool_a_file, incoming_missing, incoming_a_file, incoming_a_fifo, lock_a_directory,
    lock_a_fifo, package_missing, package_with_a_syntax_error, package_that_raises, package_that_prints,
    clock_wrong, memory_gone, memory_gone_after_the_fork, exits_missing, exits_that_raise,
    handover_missing, handover_that_raises,
]  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__.replace("_", " "))
def test_it_ends_well_at_once_and_says_nothing_whatever_is_wrong(installation, trouble):
    trouble(installation)
    returncode, printed, seconds = log_in(installation)
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK


BROKEN_PACKAGES = [
    package_missing, handover_missing, handover_that_raises, package_with_a_syntax_error, package_that_raises,
    exits_missing,
]  # fmt: skip


@pytest.mark.parametrize("trouble", BROKEN_PACKAGES, ids=lambda trouble: trouble.__name__.replace("_", " "))
def test_whatever_is_wrong_with_the_package_the_login_is_written_down(installation, trouble):
    trouble(installation)
    log_in(installation)
    names = {directory: installation.names(directory) for directory in ("incoming", "outgoing")}
    assert len(names["incoming"] + names["outgoing"]) == 1


def test_a_link_in_the_place_of_the_spools_directory_is_not_followed(alone, tmp_path):
    incoming_missing(alone)
    (tmp_path / "elsewhere").mkdir()
    os.symlink(str(tmp_path / "elsewhere"), alone.spool.path("incoming"))
    assert log_in(alone)[:2] == (0, b"")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_where_no_process_can_be_forked_the_login_is_written_down_all_the_same(alone):
    change_hook(alone, "child = posix.fork()", "child = posix.open('', 0)")
    assert log_in(alone)[:2] == (0, b"")
    assert captured(alone).get(b"PAM_USER") == b"deploy"


@needs_root
def test_a_file_system_that_hangs_where_no_process_can_be_forked_holds_the_login_for_two_seconds(hanging):
    """The only case in which the alarm kills it: nothing was captured, and PAM may try again."""
    hanging.change(hanging.hook, "DEADLINE_SECONDS = 2", "DEADLINE_SECONDS = 1")
    change_hook(hanging, "child = posix.fork()", "child = posix.open('', 0)")
    returncode, printed, seconds = hanging.run()
    assert (returncode, printed) == (-signal.SIGALRM, b"")
    assert seconds < 1 + QUICK


LIMITS = {
    "RLIMIT_STACK": 1 << 18, "RLIMIT_NPROC": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": 5, "RLIMIT_AS": 64 << 20,
    "RLIMIT_MEMLOCK": 0, "RLIMIT_RTPRIO": 0, "RLIMIT_RTTIME": 0, "RLIMIT_NICE": 0, "RLIMIT_SIGPENDING": 0,
    "RLIMIT_CORE": 0, "RLIMIT_CPU": 1,
}  # fmt: skip


@pytest.mark.parametrize("limit", sorted(LIMITS))
def test_a_login_is_told_of_whatever_limit_sshd_hands_on(installation, limit):
    number = getattr(resource, limit, 15)  # RLIMIT_RTTIME, which Python names only since 3.11, or never
    lower = lambda: resource.setrlimit(number, (LIMITS[limit], resource.getrlimit(number)[1]))  # noqa: E731
    assert log_in(installation, preexec_fn=lower)[:2] == (0, b"")
    # With two descriptors there is no observer. A later one, or the timer's run, takes the capture.
    (name,) = installation.names("incoming" if limit == "RLIMIT_NOFILE" else "outgoing")
    assert b"deploy" in installation.read("incoming" if limit == "RLIMIT_NOFILE" else "outgoing", name)


ODD = [
    b"", b"=", b"=x", b"NAME", b"NAME=\xff\xfe\n\x1b[2J", b"\xff=\xff", b"A" * 100000, b"PAM_USER=\n=\0"[:-1],
    b"PAM_RHOST=\xf0\x9f", b"LC_ALL=\xff", b"PYTHONCOERCECLOCALE=1", b"PYTHONUTF8=nonsense", b"TZ=:/dev/zero",
    b"PAM_TYPE=close_session",
]  # fmt: skip


@pytest.mark.parametrize("odd", [*([item] for item in ODD), ODD], ids=lambda odd: repr(odd)[:30])
def test_odd_items_in_the_environment_keep_nothing_from_being_written_down(alone, odd):
    program = os.fsencode(str(alone.hook))
    items = [*odd, b"PAM_USER=true", b"PAM_TYPE=open_session"]

    def execve():
        arguments = (ctypes.c_char_p * 2)(program, None)
        ctypes.CDLL(None).execve(program, arguments, (ctypes.c_char_p * (len(items) + 1))(*items, None))

    subprocess.run(["/bin/true"], preexec_fn=execve, check=True)
    alone.wait()
    assert captured(alone).get(b"PAM_USER") == b"true"


def test_two_descriptors_are_enough_to_write_the_login_down(alone):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))  # noqa: E731
    assert log_in(alone, preexec_fn=limit)[:2] == (0, b"")
    assert captured(alone).get(b"PAM_USER") == b"deploy"


def test_a_disk_without_room_leaves_no_half_of_a_capture(alone):
    # A limit on file size makes write(2) fail half-way, as a full disk does.
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))  # noqa: E731
    returncode, printed, seconds = log_in(alone, {"LONG": "x" * 2000}, preexec_fn=limit)
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK
    assert os.listdir(alone.spool.path("incoming")) == []


@pytest.fixture
def mounted(alone):
    """A small file system of its own as the spool."""
    root = alone.spool.root
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=0755", "none", root], check=False)
    if done.returncode:
        pytest.skip("takes the right to mount")
    for directory in parts.DIRECTORIES:
        os.mkdir(os.path.join(root, directory))
    yield alone
    subprocess.run(["umount", "--lazy", root], check=True)


@needs_root
def test_a_full_file_system_is_no_trouble(mounted):
    with pytest.raises(OSError, match="No space"):
        parts.Path(mounted.spool.path("filler")).write_bytes(b"x" * (1 << 20))
    assert os.path.getsize(mounted.spool.path("filler")) > 0
    returncode, printed, seconds = log_in(mounted)
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK
    assert os.listdir(mounted.spool.path("incoming")) == []


@needs_root
def test_a_read_only_file_system_is_no_trouble(mounted):
    subprocess.run(["mount", "-o", "remount,ro", mounted.spool.root], check=True)
    returncode, printed, seconds = log_in(mounted)
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK


@pytest.fixture
def hanging(installation):
    """A spool on a file system that never answers: FUSE, with nobody at the other end."""
    try:
        channel = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("takes /dev/fuse")
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0".encode()
    root = os.fsencode(installation.spool.root)
    if libc.mount(b"none", root, b"fuse", 0, options):
        os.close(channel)
        pytest.skip("takes the right to mount")
    yield installation
    libc.umount2(root, 2)  # MNT_DETACH
    os.close(channel)


@needs_root
def test_a_file_system_that_hangs_holds_no_login(hanging):
    returncode, printed, seconds = hanging.run()
    assert (returncode, printed) == (0, b"")
    assert seconds < QUICK


def without_alarms():
    """Ignore and block the alarm signal, as a caller might."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])


@pytest.mark.parametrize("place", ["    try:\n        child = ", "        posix._exit(0)  # at once: nothing"])
def test_the_alarm_ends_it_also_out_of_a_system_call_and_pam_takes_that_for_success(installation, place):
    """Otherwise PAM would run it a second time. Before and after the fork."""
    installation.change(installation.hook, "DEADLINE_SECONDS = 2", "DEADLINE_SECONDS = 1")
    change_hook(installation, place, place[: -len(place.lstrip())] + "posix.read(0, 1)\n" + place)
    reader, writer = os.pipe()
    returncode, printed, seconds = installation.run(stdin=reader, preexec_fn=without_alarms)
    os.close(reader)
    os.close(writer)
    assert (returncode, printed) == (0, b"")
    assert 0.9 < seconds < 1 + QUICK


def test_what_it_looks_at_may_hang_and_the_login_goes_on_at_once_and_is_written_down(alone):
    """Even longer than its alarm allows, because the process that the login waits for does not look."""
    alone.change(alone.hook, "DEADLINE_SECONDS = 2", "DEADLINE_SECONDS = 1")
    change_hook(alone, "    # Raw, because posix.environ", "    time.sleep(1.5)\n    # Raw, because posix.environ")
    returncode, printed, seconds = alone.run()
    assert (returncode, printed) == (0, b"")
    assert seconds < 1
    alone.wait()
    assert captured(alone).get(b"PAM_USER") == b"deploy"


def test_of_a_connection_that_is_over_before_it_is_looked_at_nothing_of_a_stranger_is_told(alone):
    """By then its pid can belong to another process."""
    wait = "        import os\n        while os.path.exists('/proc/%d' % parent):\n            time.sleep(0.01)\n"
    change_hook(alone, "        capture = look(", wait + "        capture = look(")
    monitor = os.fork()
    if monitor == 0:
        alone.run()
        os._exit(0)
    os.waitpid(monitor, 0)
    alone.wait()
    capture = captured(alone)
    assert (capture.parent, capture.parent_start) == (monitor, None)


def test_the_alarm_is_the_hooks_alone_and_the_observer_goes_on(installation):
    installation.change(installation.hook, "DEADLINE_SECONDS = 2", "DEADLINE_SECONDS = 1")
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", UNHURRIED)
    installation.run()
    wait_for(lambda: installation.names("outgoing"))


def test_an_observer_outlives_the_end_of_sshds_unit(installation):
    installation.run()
    (observer,) = wait_for(lambda: [pid for pid in installation.processes() if os.getsid(pid) == pid])
    wait_for(lambda: ignores(observer, signal.SIGTERM))
    for number in (signal.SIGTERM, signal.SIGHUP):
        os.kill(observer, number)
    wait_for(lambda: installation.names("outgoing"))


def test_the_observer_holds_nothing_of_the_login(installation):
    # It is ended below. On the busiest machine it must not end before it is checked.
    installation.change(installation.library / "observer.py", "UNSERVED_SECONDS = 0.3", "UNSERVED_SECONDS = 60.0")
    reader, writer = os.pipe()
    ours, its = socket.socketpair()
    process = installation.start(pass_fds=[writer, its.fileno()], cwd=str(installation.root))
    os.close(writer)
    its.close()
    assert process.communicate(timeout=parts.LONGEST_WAIT) == (b"", b"")
    assert os.read(reader, 1) == ours.recv(1) == b""  # no other process has the other end any more
    wait_for(lambda: installation.names("incoming"))  # and the observer is still running
    os.close(reader)
    ours.close()
    (observer,) = wait_for(lambda: installation.processes())
    assert os.getsid(observer) == os.getpgid(observer) == observer
    assert os.readlink(f"/proc/{observer}/cwd") == "/"
    open_files = wait_for(lambda: files_of(observer) if "/dev/null" in files_of(observer) else None)
    assert not [name for name in open_files if name.startswith("pipe:")]
    os.kill(observer, signal.SIGKILL)


def ignores(pid, number):
    (ignored,) = [line for line in parts.Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in line]
    return int(ignored.split()[1], 16) & (1 << (number - 1))


def files_of(pid):
    directory = f"/proc/{pid}/fd"
    found = []
    for number in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(os.path.join(directory, number)))
    return found


def test_nobody_waits_for_the_observer_and_it_leaves_no_zombie(installation):
    installation.run()
    children = f"/proc/self/task/{os.getpid()}/children"
    wait_for(lambda: installation.names("outgoing"))
    if os.path.exists(children):
        for child in parts.Path(children).read_text().split():
            assert int(child) not in installation.processes()


def test_without_a_login_around_it_it_is_the_command_line(installation):
    for arguments, environment in (([], {}), (["--version"], {"PAM_TYPE": "open_session"})):
        done = subprocess.run(
            [str(installation.hook), *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            check=False,
        )  # fmt: skip
        assert done.stdout.startswith(b"ssh-login-notify ") or b"usage: ssh-login-notify" in done.stderr
        assert done.returncode == (0 if arguments else 2)
    assert installation.names("incoming") == []


def test_only_modules_that_are_built_in_are_imported_while_the_login_waits(installation):
    # `python -v` prints each import. Those of the package come after the fork, in another process.
    (installation.library / "observer.py").unlink()
    done = subprocess.run(
        [sys.executable, "-ISBv", str(installation.hook)], env={"PAM_TYPE": "open_session"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
    )  # fmt: skip
    bare = subprocess.run(
        [sys.executable, "-ISBv", "-c", ""], env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True
    )
    extra = modules(done.stderr) - modules(bare.stderr)
    assert {name for name in extra if not name.startswith("ssh_login_notify")} <= set(sys.builtin_module_names)


def modules(report):
    return {line.split("'")[1] for line in report.decode().splitlines() if line.startswith("import '")}


@needs_root
def test_with_arguments_it_is_the_command_line_and_nothing_that_it_says_is_lost(installation):
    """It exits directly when it is done, without the interpreter's shutdown."""
    environment = {"PATH": os.environ["PATH"]}
    for arguments, codes in ((["status"], (0, 1, 2)), (["nonsense"], (2,)), (["--version"], (0,))):
        done = subprocess.run(
            [str(installation.hook), *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert done.returncode in codes
        assert (done.stdout + done.stderr).endswith(b"\n")
    assert b"ssh-login-notify 0." in done.stdout


DAMAGES = {
    "a module is gone": lambda library: (library / "cli.py").unlink(),
    "a module that others import is gone": lambda library: (library / "spool.py").unlink(),
    "a module that is loaded late is gone": lambda library: (library / "health.py").unlink(),
    "the package is gone": lambda library: library.rename(library.with_name("elsewhere")),
    "a module is cut off": lambda library: (library / "config.py").write_text("def (\n"),
    "a module that is loaded late is cut off": lambda library: (library / "pam_stack.py").write_text("def (\n"),
    "a module is empty": lambda library: (library / "state.py").write_text(""),
    "a module fails": lambda library: (library / "text.py").write_text("raise OSError(5, 'an \\x22error\\x22\\n')"),
    "a module is a directory": lambda library: [(library / "alert.py").unlink(), (library / "alert.py").mkdir()],
}


@needs_root
@pytest.mark.parametrize("damage", DAMAGES)
def test_monitoring_is_told_in_one_line_that_the_package_can_not_be_loaded(installation, damage):
    DAMAGES[damage](installation.library)
    ran = [run_as_monitoring(installation, *words) for words in (["status"], ["status", "--json"], ["send"])]
    for code, out, err in ran:
        assert code in (2, 3)
        assert "Traceback" not in out + err
    (_, line, _), (_, machine, _), (_, _, told) = ran
    assert line.count("\n") == 1
    assert line.endswith("run the role again\n")
    assert json.loads(machine)["state"] in ("critical", "unknown")
    assert "run the role again" in json.loads(machine)["answer"]
    assert told.count("\n") <= 1


def run_as_monitoring(installation, *arguments):
    done = subprocess.run(
        [str(installation.hook), *arguments], env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@needs_root
def test_a_sender_beside_one_at_work_does_not_even_load_the_program(installation):
    (installation.library / "cli.py").write_text("import nothing_of_that_name")
    installation.spool.wake()
    (installation.root / "overflow").mkdir()
    (installation.root / "overflow" / "wake").touch()
    with another_process_holding(installation.spool.path("sender.lock")):
        assert subprocess.run([str(installation.hook), "send"], env={}).returncode == 0
    done = subprocess.run([str(installation.hook), "send"], env={}, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert b"nothing_of_that_name" in done.stderr, "with nobody at work it is loaded"
    assert not os.path.exists(installation.spool.path("state", "wake")), "or systemd would start it for ever"
    assert not (installation.root / "overflow" / "wake").exists()


@needs_root
@pytest.mark.parametrize("missing", ["", "outgoing"])
def test_a_sender_without_a_spool_says_so_in_one_line(installation, missing):
    """An exit code of 0 would tell systemd, or the person who runs it, that everything is sent."""
    os.rename(installation.spool.path(missing), str(installation.root / "away"))
    done = subprocess.run([str(installation.hook), "send"], env={}, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"the spool can't be used (" in done.stderr
    assert b"run the role again" in done.stderr
