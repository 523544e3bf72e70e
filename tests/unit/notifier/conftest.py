# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the notifier share. They run on every Python that the notifier runs on, 3.6 the oldest."""

import gc
import os
import shutil
import sys

import pytest
from hypothesis import HealthCheck, settings

sys.dont_write_bytecode = True  # files/ is what is installed, and stays so

import parts  # noqa: E402 - it imports the notifier
from ssh_login_notify.processes import KEPT  # noqa: E402

# The same examples each time: a failure here is one of the change that is tested, never of chance.
settings.register_profile("steady", derandomize=True, deadline=None, max_examples=60, database=None)
settings.register_profile("searching", deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("between", settings.get_profile("steady"), max_examples=10)
settings.load_profile("steady")


def pytest_addoption(parser):
    parser.addoption("--search", action="store_true", help="try new and many more examples of every property")


def pytest_configure(config):
    if config.getoption("--search"):
        settings.load_profile("searching")
    elif config.getoption("--between"):
        settings.load_profile("between")


@pytest.fixture(autouse=True)
def _locks_end_with_their_test(tmp_path):
    """Locks (spool.Lock) and watched processes (Processes.keep) stay open as long as this process: for all tests.

    With more than 60 of them, what a test passes on would have a number beyond those that the hook closes.
    """
    yield
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink("/proc/self/fd/" + number)
            name = os.path.basename(path).partition(" (deleted)")[0]
            if path.startswith(str(tmp_path)) and (".lock" in name or name in KEPT):
                os.close(int(number))
        except OSError:
            pass  # the directory's own


@pytest.fixture(autouse=True)
def overflow_directory(tmp_path, monkeypatch):
    """Where alerts go that a spool does not take: never this machine's own /run."""
    from ssh_login_notify import paths

    monkeypatch.setattr(paths, "OVERFLOW", str(tmp_path / "overflow"))


@pytest.fixture
def spool(tmp_path):
    """An empty spool."""
    return parts.make_spool(tmp_path / "spool")


@pytest.fixture
def without_garbage():
    """For JSON that is nested too deeply.

    Up to Python 3.8 the interpreter aborts ("Cannot recover from stack overflow") if its garbage collector comes by
    just there, and ends something of another test that runs code at its end, such as a socket that was left open.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def said(monkeypatch):
    """What this process has said to the system's log, as pairs of a priority and a sentence."""
    import syslog

    sentences = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, sentence: sentences.append((priority, sentence)))
    return sentences


@pytest.fixture
def slept(monkeypatch):
    """The waits that were asked for, none of which is waited for."""
    import signal
    import time

    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    # A sender waits for this signal, too, which does not come.
    monkeypatch.setattr(signal, "sigtimedwait", lambda _signals, seconds: waits.append(seconds))
    return waits


@pytest.fixture
def webhook():
    """A webhook's host on loopback, over plain HTTP."""
    server = parts.Webhook()
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A certificate authority, certificates of its and of a stranger's."""
    if not shutil.which("openssl"):
        pytest.skip("takes the command openssl")
    return parts.make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure_webhook(certificates):
    """A webhook's host on loopback, over HTTPS; which certificate it shows can be changed."""
    server = parts.Webhook(certificates)
    yield server
    server.close()


@pytest.fixture
def installation(tmp_path):
    """The notifier as it is installed on a host, in a directory of its own. It waits for what it has started."""
    installed = parts.Installation(tmp_path)
    yield installed
    installed.wait()
