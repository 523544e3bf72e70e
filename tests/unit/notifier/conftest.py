# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the notifier's tests. They run on every Python that the notifier supports, from 3.6 on."""

import gc
import itertools
import os
import shutil
import sys

import pytest
from hypothesis import HealthCheck, settings

sys.dont_write_bytecode = True  # files/ is installed as it is, so no byte code may be added

import parts  # noqa: E402 - it imports the notifier
from ssh_login_notify.processes import KEPT  # noqa: E402

# The same examples each time: a failure comes from the tested change, never from chance.
settings.register_profile("steady", derandomize=True, deadline=None, max_examples=60, database=None)
settings.register_profile("searching", deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.too_slow])
# For runs besides the full one: properties cover rules of our own, which are the same on every Python.
settings.register_profile("fewer", settings.get_profile("steady"), max_examples=10)
settings.load_profile("steady")
NUMBERS = itertools.count()


def pytest_addoption(parser):
    parser.addoption("--search", action="store_true", help="try new and many more examples of every property")


def pytest_configure(config):
    if config.getoption("--search"):
        settings.load_profile("searching")
    elif config.getoption("--differing"):
        settings.load_profile("fewer")


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory):
    """The parent directory of the tests' own directories. Most tests need none, and creating one takes time."""
    return str(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def _umask_ends_with_its_test():
    """Restore the umask. The program's commands set one that keeps the service user out of later tests' directories."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)


@pytest.fixture(autouse=True)
def _locks_end_with_their_test(base_directory):
    """Close locks (spool.Lock) and watched processes (Processes.keep), which stay open as long as this process.

    With more than 60 of them, a descriptor that a test passes on has a number above those that the hook closes.
    """
    yield
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink("/proc/self/fd/" + number)
            name = os.path.basename(path).partition(" (deleted)")[0]
            if path.startswith(base_directory) and (".lock" in name or name in KEPT):
                os.close(int(number))
        except OSError:
            pass  # the descriptor of the listing itself


@pytest.fixture(autouse=True)
def overflow_directory(base_directory, monkeypatch):
    """The directory for alerts that the spool does not accept: never this machine's own /run."""
    from ssh_login_notify import paths

    monkeypatch.setattr(paths, "OVERFLOW", os.path.join(base_directory, f"overflow-{next(NUMBERS)}"))


@pytest.fixture
def spool(tmp_path):
    """An empty spool."""
    return parts.make_spool(tmp_path / "spool")


@pytest.fixture
def without_garbage():
    """Disable garbage collection, for deeply nested JSON.

    Up to Python 3.8 the interpreter aborts ("Cannot recover from stack overflow") if the garbage collector runs at that
    depth and finalizes an object of another test, such as an open socket.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def said(monkeypatch):
    """The lines that this process sends to the system's log, as pairs of a priority and a sentence."""
    import syslog

    sentences = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, sentence: sentences.append((priority, sentence)))
    return sentences


@pytest.fixture
def slept(monkeypatch):
    """The requested waits, in seconds. None of them takes place."""
    import signal
    import time

    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    # A sender also waits for this signal, which does not come.
    monkeypatch.setattr(signal, "sigtimedwait", lambda _signals, seconds: waits.append(seconds))
    return waits


@pytest.fixture
def webhook():
    """A webhook's server on loopback, over plain HTTP."""
    server = parts.Webhook()
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A certificate authority, its certificates, and certificates of an unknown authority."""
    if not shutil.which("openssl"):
        pytest.skip("takes the command openssl")
    return parts.make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure_webhook(certificates):
    """A webhook's server on loopback, over HTTPS. A test can change its certificate."""
    server = parts.Webhook(certificates)
    yield server
    server.close()


@pytest.fixture
def installation(tmp_path):
    """The notifier as installed on a host, in its own directory. At the end it waits for all started processes."""
    installed = parts.Installation(tmp_path)
    yield installed
    installed.wait()
