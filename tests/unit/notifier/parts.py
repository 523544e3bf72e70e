# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that the tests are made of: a spool, alerts, an installation, a webhook's host, a proxy, certificates."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ssh_login_notify import channels, heartbeat
from ssh_login_notify.alert import VERSION, to_json
from ssh_login_notify.config import Configuration
from ssh_login_notify.delivery import Delivery
from ssh_login_notify.queue import Queue
from ssh_login_notify.spool import Spool
from ssh_login_notify.triage import Triage

FILES = Path(__file__).resolve().parents[3] / "files"
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/not-a-real-secret"
PATH = "/services/T00000000/B00000000/not-a-real-secret"
DIRECTORIES = ("incoming", "outgoing", "failed", "state", "open")
FINGERPRINT = "SHA256:" + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PAM_LINE = """\
session [success=2 default=ignore] pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify
session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0
session optional pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify"""
# Where systemd keeps its units, as far as the tests go.
FORBIDDEN = "/forbidden-to-sshd"
LONGEST_WAIT = 10  # seconds that any test waits for what must come

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def make_spool(root):
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    (root / "ballast").mkdir()
    return Spool(str(root))


def make_well(root, monkeypatch):
    """Have the notifier find its PAM line, and what was installed, below a directory, and all of it in order."""
    from ssh_login_notify import pam_stack, paths, sshds, trust

    monkeypatch.setattr(sshds, "found", list)  # the machine that tests has sshds of its own

    pam, library = root / "pam.d", root / "library"
    pam.mkdir()
    (pam / "sshd").write_text(f"auth required pam_unix.so\n{PAM_LINE}\nsession required pam_unix.so\n")
    (library / "ssh_login_notify" / "channels").mkdir(parents=True)
    modules = [library / "ssh_login_notify" / name for name in ("cli.py", "channels/slack.py")]
    for module in modules:
        module.write_text("installed")
    program = root / "program"
    program.write_text(f"#!{os.path.realpath(sys.executable)} -ISB\n")
    program.chmod(0o755)
    digests = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (*modules, program)}
    (library / "manifest.json").write_text(json.dumps({"files": digests}))
    monkeypatch.setattr(paths, "LIBRARY", str(library))
    monkeypatch.setattr(paths, "PACKAGE", str(library / "ssh_login_notify"))
    monkeypatch.setattr(paths, "MANIFEST", str(library / "manifest.json"))
    monkeypatch.setattr(paths, "PROGRAM", str(program))
    monkeypatch.setattr(paths, "USER", "daemon")
    monkeypatch.setattr(trust, "TRUSTED", ())  # what is tested is below a directory that everybody may write
    fault = pam_stack.fault

    def fault_of_installed(text, program_of_line, included):
        """The PAM files of the tests name the program where a host has it."""
        assert program_of_line == str(program)
        return fault(text, "/usr/local/bin/ssh-login-notify", included)

    monkeypatch.setattr(pam_stack, "fault", fault_of_installed)
    monkeypatch.setattr(paths, "PAM_DIRECTORIES", (str(pam), str(root / "vendor")))
    return pam / "sshd", library


def configuration(url=WEBHOOK, **values):
    return Configuration(dict(values, webhook_url=url))


def alert(number=1, **changes):
    """An alert as it waits in the spool; its number gives it its place in time."""
    values = {
        "version": VERSION,
        "about": "login",
        "id": f"{1763884800 + number}.123456-4242",
        "time": 1763884800.123456 + number,
        "host": "web-3",
        "service": "sshd",
        "user": "deploy",
        "address": "203.0.113.50",
        "port": 45006,
        "name": "",
        "type": "SSH (interactive)",
        "methods": [{"method": "publickey", "key_type": "ED25519", "fingerprint": FINGERPRINT}],
        "notes": [],
        "follows": "",
        "was": "",
        "terminal": "",
        "requester": "",
    }
    values.update(changes)
    return values


def logout(number=9, seconds=120, unwatched=0.0, **changes):
    """The alert of the end of the connection of alert(1), watched until its end, or not for so many seconds."""
    login = alert(1)
    time = login["time"] + seconds
    more = {"about": "logout", "follows": login["id"], "time": time, "began": login["time"], "seen": time - unwatched}
    return alert(number, **dict(more, **changes))


def raw_alert(number=1, **changes):
    """The same, as a file of the spool."""
    return to_json(alert(number, **changes))


def make_journal(root, monkeypatch, program):
    """Have a directory in place of a machine's journal, and a journalctl that runs this program."""
    from ssh_login_notify import failures

    (root / "machine-id").write_text("abc\n")
    (root / "journals" / "abc").mkdir(parents=True)
    (root / "journals" / "abc" / "system.journal").write_text("")
    journalctl = root / "journalctl"
    journalctl.write_text(f"#!{sys.executable} -ISB\n{program}")
    journalctl.chmod(0o755)
    monkeypatch.setattr(failures, "JOURNALCTL", (str(root / "missing"), str(journalctl)))
    monkeypatch.setattr(failures, "MACHINE_ID", str(root / "machine-id"))
    monkeypatch.setattr(failures, "JOURNALS", (str(root / "none"), str(root / "journals")))


def wait_for(condition, seconds=LONGEST_WAIT):
    """Return what the condition returns as soon as that is true; fail when it takes too long."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.02)


@contextlib.contextmanager
def another_process_holding(lock):
    """Have the lock at this path held by another process meanwhile."""
    code = (
        "import os, sys; lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.lockf(lock, os.F_TLOCK, 0)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-ISc", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert process.stdout.readline() == b"held\n"
    yield
    process.communicate()


@contextlib.contextmanager
def another_process(action, *arguments):
    """Have another process do something, and keep what that returned until it is killed, at the end of the block."""
    its_end, ours = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kept = action(*arguments)
            os.write(ours, b"done")
            signal.pause()
            del kept
        finally:
            os._exit(1)
    os.close(ours)
    with os.fdopen(its_end, "rb") as done:
        assert done.read(4) == b"done"
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Installation:
    """The hook and its package in a directory, with the paths in them changed to that directory."""

    def __init__(self, root):
        self.root = root
        self.spool = make_spool(root / "spool")
        self.hook = root / "ssh-login-notify"
        self.library = root / "lib" / "ssh_login_notify"
        self.sent = root / "sent"
        shutil.copytree(str(FILES / "ssh_login_notify"), str(self.library), ignore=shutil.ignore_patterns("__py*"))
        shutil.copy(str(FILES / "ssh-login-notify"), str(self.hook))
        self.change(self.hook, r"#!.*", f"#!{sys.executable} -ISB")
        self.change(self.hook, r'LIBRARY = ".*"', 'LIBRARY = "{}"'.format(root / "lib"))
        self.change(self.hook, r'SPOOL = ".*"', 'SPOOL = "{}"'.format(root / "spool"))
        wake = 'OVERFLOW_WAKE = "{}"'.format(root / "overflow" / "wake")
        self.change(self.library / "command.py", r"OVERFLOW_WAKE = .*", wake)
        self.change(self.library / "paths.py", r'SPOOL = ".*"', 'SPOOL = "{}"'.format(root / "spool"))
        self.change(self.library / "paths.py", r'OVERFLOW = ".*"', 'OVERFLOW = "{}"'.format(root / "overflow"))
        self.change(self.library / "observer.py", r"TUNNEL_SECONDS = 3\.0", "TUNNEL_SECONDS = 0.3")
        self.change(self.library / "observer.py", r"UNSERVED_SECONDS = 30\.0", "UNSERVED_SECONDS = 0.3")
        self.change(self.library / "paths.py", r"HOST = .*", 'HOST = "{}"'.format(self.write_host("systemd")))
        # Nobody is to look for these, which sshd's domain may not.
        self.change(self.library / "paths.py", r'SYSTEMD = ".*"', f'SYSTEMD = "{FORBIDDEN}"')
        self.change(self.library / "paths.py", r'PATH_UNIT = ".*"', f'PATH_UNIT = "{FORBIDDEN}"')

    def write_host(self, scheduler):
        """Write what the role has found out about the host, and return the path."""
        path = self.root / "lib" / "host.json"
        path.write_text(json.dumps({"scheduler": scheduler, "sandbox_without": []}))
        return path

    @staticmethod
    def change(path, pattern, replacement):
        text, count = re.subn("^" + pattern, lambda _: replacement, path.read_text(encoding="utf-8"), flags=re.M)
        assert count == 1, pattern
        path.write_text(text, encoding="utf-8")

    def has_no_systemd(self):
        """Make it one on a host where the observer starts the sender, here a script that writes down how."""
        program = self.root / "sender"
        program.write_text(f'#!/bin/sh\n(echo "$0 $*"; env) > {self.sent}.new; mv {self.sent}.new {self.sent}\n')
        program.chmod(0o755)
        self.write_host("cron")
        self.change(self.library / "paths.py", r'PROGRAM = ".*"', f'PROGRAM = "{program}"')

    def keeps_its_log(self):
        """Have what goes to the system's log in a file; return its path."""
        path = self.root / "log"
        text = "LOG_PID = LOG_AUTHPRIV = LOG_INFO = LOG_WARNING = 0\ndef openlog(*_): pass\n"
        text += f"def syslog(_, line):\n    open({str(path)!r}, 'a').write(line + '\\n')\n"
        (self.library / "kept_log.py").write_text(text)
        # By another name: Debian's Pythons have syslog built in, and look there before they look at files.
        self.change(self.library / "journal.py", r"    import syslog\b.*", "    from . import kept_log as syslog")
        return path

    def start(self, environment=None, **options):
        given = dict({"PAM_SERVICE": "sshd", "PAM_USER": "deploy", "PAM_TYPE": "open_session"}, **(environment or {}))
        # As pam_exec does (pam_exec.c, call_exec): its own variables after those of the PAM environment, its type last.
        names = sorted(given, key=lambda name: (name.startswith("PAM_"), name == "PAM_TYPE"))
        variables = {name: given[name] for name in names}
        options.setdefault("stdin", subprocess.DEVNULL)
        command = [str(self.hook), *options.pop("arguments", [])]
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, environment=None, **options):
        """Run the hook as pam_exec does; return how it ended, all that it printed, and the seconds that it took."""
        began = time.monotonic()
        process = self.start(environment, **options)
        printed = b"".join(process.communicate(timeout=LONGEST_WAIT))
        return process.returncode, printed, time.monotonic() - began

    def names(self, directory):
        return self.spool.names(directory)

    def read(self, directory, name):
        return Path(self.spool.path(directory, name)).read_bytes()

    def processes(self):
        """The pids of the processes that run the hook's file: hooks, observers, finishers."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsencode(str(self.hook)) in file.read().split(b"\0")
        except OSError:
            return False

    def wait(self):
        """Wait until all that the hook has started is over."""
        try:
            wait_for(lambda: not self.processes())
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)


class Request:
    """What a client sent, and on the how manieth connection."""

    def __init__(self, line, headers, body, connection):
        self.line, self.headers, self.body, self.connection = line, headers, body, connection


def answer(status, text, *headers):
    """An instruction: answer, and keep the connection."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(text.encode())}", *headers, "", text]
    return raw("\r\n".join(lines).encode())


def raw(data, keep=True):
    """An instruction: send these bytes."""

    def play(connection):
        connection.sendall(data)
        return keep

    return play


def reset(connection):
    """An instruction: end the connection with a TCP RST (SO_LINGER with time 0, socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    return False


def drip(data, pause):
    """An instruction: send a byte now and then, for ever."""

    def play(connection):
        until = time.monotonic() + LONGEST_WAIT
        while connection.fileno() >= 0 and time.monotonic() < until:
            connection.sendall(data)
            threading.Event().wait(pause)
        return False

    return play


OK = answer(200, "ok")


class Server:
    """A server on loopback, a thread for each connection."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(8)
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # close(2) alone does not end an accept(2) in another thread.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            # Its thread may be reading, which close(2) alone does not end either.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        try:
            connection.settimeout(LONGEST_WAIT)
            self.serve(connection, number)
        except OSError:
            pass  # a client that left, or that did not like our certificate
        finally:
            connection.close()

    @staticmethod
    def read_head(file):
        line = file.readline()
        headers = {}
        for header in iter(lambda: file.readline().rstrip(b"\r\n"), b""):
            name, _, value = header.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        return line.decode("latin-1").rstrip("\r\n"), headers


class Greeter(Server):
    """Says what it is before it was asked, as an SSH server does."""

    def serve(self, connection, _number):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")


class Webhook(Server):
    """Answers each request by the next of its instructions, with `ok` when it has none left, and keeps the requests."""

    def __init__(self, certificates=None):
        self.instructions = []
        self.requests = []
        self.certificates = certificates
        self.certificate = "good"
        super().__init__()

    @property
    def url(self):
        return "{}://127.0.0.1:{}{}".format("https" if self.certificates else "http", self.port, PATH)

    def serve(self, connection, number):
        if self.certificates:
            connection = self.certificates.context(self.certificate).wrap_socket(connection, server_side=True)
            self._open.append(connection)
        file = connection.makefile("rb")
        alive = True
        while alive:
            line, headers = self.read_head(file)
            if not line:
                break
            body = file.read(int(headers.get("content-length", 0)))
            self.requests.append(Request(line, headers, body, number))
            alive = (self.instructions.pop(0) if self.instructions else OK)(connection)
        file.close()
        connection.close()


class Proxy(Server):
    """Forwards what comes after a CONNECT, and keeps what it was asked for; refuses when told to."""

    def __init__(self):
        self.asked = []
        self.authorizations = []
        self.refusal = b""
        super().__init__()

    def serve(self, connection, _number):
        file = connection.makefile("rb", buffering=0)
        line, headers = self.read_head(file)
        self.asked.append(line)
        self.authorizations.append(headers.get("proxy-authorization"))
        if self.refusal:
            connection.sendall(self.refusal)
            return
        host, _, port = line.split()[1].rpartition(":")
        with socket.create_connection((host.replace("localhost", "127.0.0.1"), int(port)), timeout=10) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pump, args=(target, connection), daemon=True)
            back.start()
            self._pump(connection, target)
            back.join(LONGEST_WAIT)

    @staticmethod
    def _pump(source, target):
        try:
            for data in iter(lambda: source.recv(1 << 16), b""):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


# `openssl ca` takes a start and an end date in every version; `openssl x509` does only since 3.4.
OPENSSL = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {stem}
[ca]
default_ca = authority
[authority]
dir = {directory}
database = $dir/index
rand_serial = yes
new_certs_dir = $dir
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[authority_extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[former_authority_extensions]
basicConstraints = CA:true
[former_server_extensions]
subjectAltName = {names}
[server_extensions]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class Certificates:
    """Certificates in a directory: NAME.pem and NAME.key."""

    def __init__(self, directory):
        self.directory = directory
        (directory / "index").touch()

    @property
    def authority(self):
        return str(self.directory / "authority.pem")

    def context(self, stem):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(self.directory / (stem + ".pem")), str(self.directory / (stem + ".key")))
        return context

    def issue(self, stem, by, names="IP:127.0.0.1, DNS:localhost", days=(-1, 30), form=""):
        """form: `former_` for what older tools write, without much that RFC 5280 asks for."""
        path = {suffix: str(self.directory / (stem + "." + suffix)) for suffix in ("cnf", "key", "csr", "pem")}
        Path(path["cnf"]).write_text(OPENSSL.format(stem=stem, names=names, directory=self.directory))
        start, end = (f"{datetime.now(timezone.utc) + timedelta(days=day):%Y%m%d%H%M%SZ}" for day in days)
        authority = str(self.directory / (by + ".pem"))
        kind, signer = ("authority", ["-selfsign"]) if by == stem else ("server", ["-cert", authority])
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path["key"])
        self._openssl("req", "-new", "-config", path["cnf"], "-key", path["key"], "-out", path["csr"])
        self._openssl(
            "ca", "-batch", "-notext", "-config", path["cnf"], "-extensions", f"{form}{kind}_extensions", *signer,
            "-keyfile", str(self.directory / (by + ".key")), "-in", path["csr"], "-out", path["pem"],
            "-startdate", start, "-enddate", end,
        )  # fmt: skip

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout.decode()


def make_certificates(directory):
    found = Certificates(directory)
    found.issue("authority", by="authority")
    found.issue("stranger", by="stranger")
    found.issue("good", by="authority")
    found.issue("wrong-name", by="authority", names="DNS:somebody-else.example")
    found.issue("expired", by="authority", days=(-30, -1))
    found.issue("unknown", by="stranger")
    found.issue("former-authority", by="former-authority", form="former_")
    found.issue("former", by="former-authority", form="former_")
    # Whoever has a certificate is no authority by that.
    found.issue("of-no-authority", by="former")
    return found


class FakeProc:
    """A tree of processes in the form of proc(5)."""

    def __init__(self, root):
        self.root = root

    def add(self, pid, parent, name, *arguments, **more):
        """Add a process: `name` is its comm, `arguments` its argv, or the one title that setproctitle(3) left."""
        directory = self.root / str(pid)
        (directory / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
        # proc(5): the parent is field 4, its own page faults field 10, those of reaped children 11, the start time 22,
        # the size of the memory 23, the begin of the code 26, that of the arguments 48, the end of the environment 51.
        fields = [0] * 53
        fields[4], fields[22] = parent, more.get("start", 1000 + pid)
        fields[10], fields[11] = more.get("faults", 0), more.get("reaped_faults", 0)
        fields[23], fields[26] = 1 << 20, 1 << 16
        fields[48], fields[51] = (4096, 4096 + more["room"]) if more.get("room") else (0, 0)
        text = "{} ({}) S {}\n".format(pid, name[:15], " ".join(map(str, fields[4:])))
        (directory / "stat").write_text(text)
        (directory / "status").write_text("Name:\t{0}\nUid:\t{1}\t{1}\t{1}\t{1}\n".format(name, more.get("uid", 0)))
        (directory / "comm").write_text(name[:15] + "\n")
        words = [word if isinstance(word, bytes) else word.encode() for word in arguments]
        (directory / "cmdline").write_bytes(b"".join(word + b"\0" for word in words))
        executable = directory / "exe"
        if executable.is_symlink():
            executable.unlink()
        if more.get("executable"):
            executable.symlink_to(more["executable"])
        (directory / "ns").mkdir(exist_ok=True)
        if more.get("mount_namespace"):
            (directory / "ns" / "mnt").symlink_to(more["mount_namespace"])
        children = directory / "task" / str(pid) / "children"
        children.touch()
        siblings = self.root / str(parent) / "task" / str(parent) / "children"
        if siblings.exists() and str(pid) not in siblings.read_text().split():
            siblings.write_text(siblings.read_text() + f"{pid} ")

    def remove(self, pid):
        # Also those who have the files open are told nothing any more.
        for file in ("stat", "comm", "cmdline", f"task/{pid}/children"):
            (self.root / str(pid) / file).write_bytes(b"")
        for children in self.root.glob("*/task/*/children"):
            left = [child for child in children.read_text().split() if child != str(pid)]
            children.write_text("".join(child + " " for child in left))
        shutil.rmtree(str(self.root / str(pid)))

    def forget_children(self):
        """Be a kernel without CONFIG_PROC_CHILDREN."""
        for children in self.root.glob("*/task/*/children"):
            children.unlink()


def delivery(spool, found, **sources):
    """A run of the sender over a queue, as it is with one channel (sender.Dispatcher)."""
    switch = heartbeat.Switch(found) if found.heartbeat_ping_url else None
    channel = channels.load(found.channels[0], found, spool)
    return Delivery(Queue(spool), found, channel, Triage(spool, found, **sources), switch)


class Outlet:
    """A channel's place in the spool, of an entry of the setting; without what sends (outlets.Outlet)."""

    def __init__(self, spool, entry, channel=None):
        from ssh_login_notify import outlets

        self.name, self.entry, self.channel = entry["name"], entry, channel
        self.spool = outlets.place(spool, self.name)
        self.lock = outlets.Lock(self.spool.path(outlets.LOCK))
