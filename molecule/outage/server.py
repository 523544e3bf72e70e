# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server as its operator has it: what the notifier says of itself, and what can be done to it."""

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

PROGRAM = "/usr/local/bin/ssh-login-notify"
# The program's processes, as pgrep(1) finds them: not the shell that runs pgrep.
PROCESS = f"^/usr/bin/python3 -ISB {PROGRAM}"
SPOOL = "/var/spool/ssh-login-notify"
WATCH = f"{SPOOL}/state/watch.json"
OVERFLOW = "/run/ssh-login-notify"
TIMER_D = "/etc/systemd/system/ssh-login-notify.timer.d"  # outlives a restart of the server
RETRY = "ssh-login-notify-retry.timer"
CRON = "/etc/cron.d/ssh-login-notify"
# Far longer than anything here takes that is waited for.
LIMIT_SECONDS = 30.0


@contextmanager
def deployed(host, directory: Path, **variables: object) -> Iterator[None]:
    """The role run again with these variables, and at the end without them. No test alert: Slack may be away."""

    def run(**variables: object) -> None:
        done = deploy(host, directory, url(SECRET), send_test_alert=False, **variables)
        assert done.returncode == 0, done.stdout[-3000:]

    run(**variables)
    try:
        yield
    finally:
        run()


class Server:
    """One container. The notifier's commands are run in it as root, as an operator would."""

    def __init__(self, host) -> None:
        self._host = host
        self.container: str = host.backend.hostname
        self.name: str = host.check_output("hostname")
        self.has_systemd = host.file("/run/systemd/system").is_directory

    def run(self, command: str) -> str:
        """Run a shell command that has to succeed, and return what it printed."""
        return self._host.check_output(command)

    @property
    def address(self) -> str:
        """Where it is now: a container that starts again may get another address."""
        return self.run("hostname -i")

    # What it says.

    def status(self) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON of `status`."""
        return self._ask("status")

    def flush(self, *options: str, later: str = "") -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON of `flush`.

        later: run it this much later, such as 5m: libfaketime tells the one process another time.
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
        """Wait until the status is so, and return it."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            _code, status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.2)

    def wait_for_no_process(self) -> None:
        """Wait until neither an observer nor a sender is at work."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self._host.run(f"pgrep -f '{PROCESS}'").succeeded:
            assert time.monotonic() < deadline, "a process of the notifier does not end"
            time.sleep(0.2)

    def log(self, since: float) -> str:
        """What the notifier wrote into the journal since then."""
        return self.run(f"journalctl --quiet --no-pager -o cat -t ssh-login-notify --since @{since:.6f}")

    def names(self, directory: str) -> list[str]:
        """All that lies in a directory of the spool."""
        return self.run(f"ls -A {SPOOL}/{directory}").split()

    # What can be done to it.

    def stop_sender(self) -> None:
        """End the sender that is at work, if one is; what it was to send waits until somebody starts another."""
        if self.has_systemd:
            # A start that comes while it is being stopped cancels the stop. So the path unit goes first: a sender that
            # waits has not looked at the last login's wake-up yet.
            path = "ssh-login-notify.path"
            # The retry timer goes last: a run that fails just now starts it.
            self.run(f"systemctl stop {path} && systemctl stop ssh-login-notify.service && systemctl stop {RETRY}")
            self.run(f"rm -f {SPOOL}/state/wake && systemctl start {path}")
        else:
            self.run(f"kill $(pgrep -f '{PROCESS} send$') 2> /dev/null || true")

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """Neither the timers nor cron come: each minute while something waits, and every five minutes."""
        if self.has_systemd:
            with self._timer_at("*-02-29"), self._retry_after("1d"):
                yield
        else:
            # Not by its file, which `status` finds changed.
            self.run("pkill -STOP -x cron")
            try:
                yield
            finally:
                self.run("pkill -CONT -x cron")

    @contextmanager
    def impatient_clock(self) -> Iterator[None]:
        """The timer comes every few seconds, or cron every minute."""
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
        """What comes within a minute while alerts wait comes as it does on every server: a timer, or cron."""
        if self.has_systemd:
            with self._retry_after("52"):
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
    def _timer_at(self, calendar: str) -> Iterator[None]:
        drop_in = f"{TIMER_D}/{time.time_ns()}.conf"  # of several, the last one counts
        reload = " && systemctl daemon-reload && systemctl restart ssh-login-notify.timer"
        timer = f"[Timer]\\nOnCalendar=\\nOnCalendar={calendar}\\nRandomizedDelaySec=0\\n"
        self.run(f"mkdir -p {TIMER_D} && printf '{timer}' > {drop_in}{reload}")
        try:
            yield
        finally:
            self.run(f"rm {drop_in}{reload}")

    def clear(self) -> None:
        """Forget what waits, what failed and what was agreed: nothing of one test is the next one's."""
        self.stop_sender()
        self.run(f"find {SPOOL} -mindepth 2 -delete")
        self.run(f"! test -d {OVERFLOW} || find {OVERFLOW} -type f -delete")
        # As if the watch had just looked: for some minutes it has nothing to say that would mix with the logins.
        self.run(f"echo '{{}}' > {WATCH}")

    def pause(self) -> None:
        """Have all its processes stand still at once."""
        _docker("pause", self.container)

    def unpause(self) -> None:
        """Let them go on."""
        _docker("unpause", self.container)

    def cut_off(self) -> None:
        """End all its processes at once, as a power cut does; also those that stand still."""
        _docker("kill", self.container)

    def kept(self) -> set[str]:
        """The names of all that stands in its spool; also when it stands still or is off."""
        copied = _docker("cp", f"{self.container}:{SPOOL}", "-")
        with tarfile.open(fileobj=io.BytesIO(copied)) as spool:
            return {name for name in map(_name_of, spool.getnames()) if name}

    def start(self) -> None:
        """Boot it again, and wait until it lets people in. What was in /run is gone."""
        _docker("start", self.container)
        if self.has_systemd:
            self._host.run("systemctl is-system-running --wait")
        deadline = time.monotonic() + LIMIT_SECONDS
        while not self._host.run("bash -c '< /dev/tcp/127.0.0.1/22'").succeeded:
            assert time.monotonic() < deadline, "no sshd"
            time.sleep(0.2)


def _name_of(path: str) -> str:
    """The id of the login that a file of incoming/ or outgoing/ holds, empty for any other file."""
    directory, _slash, name = path.rpartition("/")
    if directory.endswith(("incoming", "outgoing")) and name[:1].isdigit():
        return name[: -len(".alert")] if name.endswith(".alert") else name
    return ""


def _docker(*words: str) -> bytes:
    return subprocess.run(["docker", *words], check=True, capture_output=True).stdout  # noqa: S603, S607
