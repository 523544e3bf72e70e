# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server from its operator's view: the notifier's output, and what can be done to the server."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.deploy import SECRET, deploy, url
from tests.lab.settings import configured

PROGRAM = "/usr/local/bin/ssh-login-notify"
# The program's processes, for pgrep(1). This does not match the shell that runs pgrep.
PROCESS = f"^/usr/bin/python3 -ISB {PROGRAM}"
SPOOL = "/var/spool/ssh-login-notify"
WATCH = f"{SPOOL}/state/watch.json"
OVERFLOW = "/run/ssh-login-notify"
TIMER = "ssh-login-notify.timer"
# Starts the watch against tampering, which would send the alerts that a test keeps waiting.
TAMPER_TIMER = "ssh-login-notify-tamper.timer"
RETRY = "ssh-login-notify-retry.timer"
CRON = "/etc/cron.d/ssh-login-notify"
# Far longer than anything that tests wait for.
LIMIT_SECONDS = 30.0


@contextmanager
def upgraded(host, directory: Path, **variables: object) -> Iterator[None]:
    """Run the role again with these variables for the block. Its end restores the configuration.

    No test alert is sent, because Slack can be unreachable.
    """
    with configured(host.check_output):
        done = deploy(host, directory, url(SECRET), send_test_alert=False, **variables)
        assert done.returncode == 0, done.stdout[-3000:]
        yield


class Server:
    """One container. The notifier's commands run in it as root, as an operator would run them."""

    def __init__(self, host) -> None:
        self._host = host
        self.container: str = host.backend.hostname
        self.name: str = host.check_output("hostname")
        self.has_systemd = host.file("/run/systemd/system").is_directory

    def run(self, command: str) -> str:
        """Run a shell command that must succeed, and return its output."""
        return self._host.check_output(command)

    @property
    def address(self) -> str:
        """Its current address. A container that is started again can get another one."""
        return self.run("hostname -i")

    # Output of the notifier.

    def status(self) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the JSON of `status`."""
        return self._ask("status")

    def flush(self, *options: str, later: str = "") -> tuple[int, dict[str, Any]]:
        """Return the exit code and the JSON of `flush`.

        later: a time span such as 5m, by which libfaketime advances the clock of this process
        """
        set_clock = ""
        if later:
            set_clock = f"LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME=+{later} "
        return self._ask("flush", *options, before=set_clock)

    def _ask(self, *words: str, before: str = "") -> tuple[int, dict[str, Any]]:
        done = self._host.run(f"{before}{PROGRAM} {' '.join(words)} --json")
        assert done.stdout, done.stderr
        return done.rc, json.loads(done.stdout)

    def wait_for_waiting(self, count: int) -> dict[str, Any]:
        """Wait until this many alerts wait and no capture does, and return the status."""
        return self.wait_for(lambda status: status["waiting"] == count and not status["captured"])

    def wait_for(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the condition is true of the status, and return the status."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            _code, status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.2)

    def wait_for_no_process(self) -> None:
        """Wait until no process of the notifier is running."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self._host.run(f"pgrep -f '{PROCESS}'").succeeded:
            assert time.monotonic() < deadline, "a process of the notifier does not end"
            time.sleep(0.2)

    def log(self, since: float) -> str:
        """Return the notifier's lines in the journal since this time."""
        return self.run(f"journalctl --quiet --no-pager -o cat -t ssh-login-notify --since @{since:.6f}")

    def names(self, directory: str) -> list[str]:
        """Return the names of all files in a directory of the spool."""
        return self.run(f"ls -A {SPOOL}/{directory}").split()

    # Changes to the server.

    def stop_sender(self) -> None:
        """End a running sender. Its alerts wait until another sender is started."""
        if self.has_systemd:
            # A start during the stop would cancel it. So the path unit is stopped first: a sender that sleeps has not
            # removed the last login's wake-up file yet.
            path = "ssh-login-notify.path"
            # The retry timer is stopped last, because a run that fails now starts it.
            self.run(f"systemctl stop {path} && systemctl stop ssh-login-notify.service && systemctl stop {RETRY}")
            self.run(f"rm -f {SPOOL}/state/wake && systemctl start {path}")
        else:
            self.run(f"kill $(pgrep -f '{PROCESS} send$') 2> /dev/null || true")

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """During the block, neither timers nor cron start a sender."""
        if self.has_systemd:
            with self._timer_at("*-02-29"), self._timer_at("*-02-29", TAMPER_TIMER), self._retry_after("1d"):
                yield
        else:
            # Not by changing its file, which `status` would report.
            self.run("pkill -STOP -x cron")
            try:
                yield
            finally:
                self.run("pkill -CONT -x cron")

    @contextmanager
    def impatient_clock(self) -> Iterator[None]:
        """During the block the timer starts the sender every few seconds, or cron every minute."""
        if self.has_systemd:
            with self._timer_at("*:*:0/5"):
                yield
        else:
            self.run(f"cp -p {CRON} /root/cron && sed -i 's,^[*]/5 ,* ,' {CRON} && grep -q '^[*] [*]' {CRON}")
            self.run("pkill -CONT -x cron")
            try:
                yield
            finally:
                self.run(f"mv /root/cron {CRON}")

    @contextmanager
    def usual_clock(self) -> Iterator[None]:
        """During the block the sender is started while alerts wait: by a timer, or by cron every minute.

        The timer is faster here. A test of its unit checks that it takes a minute (tests/unit/role/test_unit_files.py).
        """
        if self.has_systemd:
            with self._retry_after("5"):
                yield
        else:
            self.run("pkill -CONT -x cron")
            try:
                yield
            finally:
                self.run("pkill -STOP -x cron")

    @contextmanager
    def _retry_after(self, time_span: str) -> Iterator[None]:
        drop_in = f"/etc/systemd/system/{RETRY}.d/{time.time_ns()}.conf"
        reload = f" && systemctl daemon-reload && systemctl stop {RETRY}"
        timer = f"[Timer]\\nOnActiveSec=\\nOnActiveSec={time_span}\\n"
        self.run(f"mkdir -p $(dirname {drop_in}) && printf '{timer}' > {drop_in}{reload}")
        try:
            yield
        finally:
            self.run(f"rm {drop_in}{reload}")

    @contextmanager
    def _timer_at(self, calendar: str, name: str = TIMER) -> Iterator[None]:
        directory = f"/etc/systemd/system/{name}.d"  # survives a restart of the server
        drop_in = f"{directory}/{time.time_ns()}.conf"  # the last of several files counts
        reload = f" && systemctl daemon-reload && systemctl restart {name}"
        timer = f"[Timer]\\nOnCalendar=\\nOnCalendar={calendar}\\nRandomizedDelaySec=0\\n"
        self.run(f"mkdir -p {directory} && printf '{timer}' > {drop_in}{reload}")
        try:
            yield
        finally:
            self.run(f"rm {drop_in}{reload}")

    def clear(self) -> None:
        """Delete what waits, what failed and the agreed wait, so that nothing is left from another test."""
        self.stop_sender()
        self.run(f"find {SPOOL} -mindepth 2 -delete")
        self.run(f"! test -d {OVERFLOW} || find {OVERFLOW} -type f -delete")
        # As if the watch had just looked, so that it has nothing to report for some minutes.
        self.run(f"echo '{{}}' > {WATCH}")

    def pause(self) -> None:
        """Stop all processes at once (docker pause)."""
        _docker("pause", self.container)

    def unpause(self) -> None:
        """Let all processes continue."""
        _docker("unpause", self.container)

    def cut_off(self) -> None:
        """Kill all processes at once, as a power cut does, also paused ones."""
        _docker("kill", self.container)

    def kept(self) -> set[str]:
        """Return the ids of the captures and alerts in its spool, also while it is paused or off."""
        copied = _docker("cp", f"{self.container}:{SPOOL}", "-")
        with tarfile.open(fileobj=io.BytesIO(copied)) as spool:
            return {name for name in map(_name_of, spool.getnames()) if name}

    def start(self) -> None:
        """Boot it again, and wait until it accepts connections. /run is empty then."""
        _docker("start", self.container)
        if self.has_systemd:
            self._host.run("systemctl is-system-running --wait")
        deadline = time.monotonic() + LIMIT_SECONDS
        while not self._host.run("bash -c '< /dev/tcp/127.0.0.1/22'").succeeded:
            assert time.monotonic() < deadline, "no sshd"
            time.sleep(0.2)


def _name_of(path: str) -> str:
    """Return the id of the login in a file of incoming/ or outgoing/, or an empty text for any other file."""
    directory, _slash, name = path.rpartition("/")
    if directory.endswith(("incoming", "outgoing")) and name[:1].isdigit():
        return name[: -len(".alert")] if name.endswith(".alert") else name
    return ""


def _docker(*words: str) -> bytes:
    return subprocess.run(["docker", *words], check=True, capture_output=True).stdout  # noqa: S603, S607
