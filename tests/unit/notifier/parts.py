# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the tests: a spool, alerts, an installation, a webhook's server, a proxy, certificates."""

import atexit
import compileall
import contextlib
import functools
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
import tempfile
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
# Where the tests expect systemd's units.
FORBIDDEN = "/forbidden-to-sshd"
LONGEST_WAIT = 10  # seconds that a test waits for an expected event

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


def make_spool(root):
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    (root / "ballast").mkdir()
    (root / "ledger").mkdir()
    return Spool(str(root))


def make_well(root, monkeypatch):
    """Point the notifier to a PAM line and an installation below a directory, both without a fault."""
    from ssh_login_notify import pam_stack, paths, sshds, suppressed, trust

    monkeypatch.setattr(sshds, "found", list)  # the machine that runs the tests has its own sshds
    monkeypatch.setattr(suppressed, "lately", lambda **_how: None)  # and its own journal

    pam, library = root / "pam.d", root / "library"
    pam.mkdir()
    (pam / "sshd").write_text(f"auth required pam_unix.so\n{PAM_LINE}\nsession required pam_unix.so\n")
    (library / "ssh_login_notify" / "channels").mkdir(parents=True)
    modules = [library / "ssh_login_notify" / name for name in ("cli.py", "channels/slack.py")]
    modules += [path.parent / "__pycache__" / f"{path.stem}.cpython-36.pyc" for path in modules]
    for module in modules:
        module.parent.mkdir(exist_ok=True)
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
    monkeypatch.setattr(trust, "TRUSTED", ())  # the tests' files are below a world-writable directory
    fault = pam_stack.fault

    def fault_of_installed(text, program_of_line, included):
        """Check the PAM files of the tests, which name the program's path on a host."""
        assert program_of_line == str(program)
        return fault(text, "/usr/local/bin/ssh-login-notify", included)

    monkeypatch.setattr(pam_stack, "fault", fault_of_installed)
    monkeypatch.setattr(paths, "PAM_DIRECTORIES", (str(pam), str(root / "vendor")))
    return pam / "sshd", library


def configuration(url=WEBHOOK, **values):
    return Configuration(dict(values, webhook_url=url))


def alert(number=1, **changes):
    """Return an alert as it waits in the spool. Its number determines its time."""
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
    """Return the alert of the end of alert(1)'s connection, watched until its end, or not for this many seconds."""
    login = alert(1)
    time = login["time"] + seconds
    more = {"about": "logout", "follows": login["id"], "time": time, "began": login["time"], "seen": time - unwatched}
    return alert(number, **dict(more, **changes))


def raw_alert(number=1, **changes):
    """Return an alert as a file of the spool."""
    return to_json(alert(number, **changes))


def make_journal(root, monkeypatch, program):
    """Put a directory in place of the machine's journal, and a journalctl that runs this program."""
    from ssh_login_notify import sshd_log

    (root / "machine-id").write_text("abc\n")
    (root / "journals" / "abc").mkdir(parents=True)
    (root / "journals" / "abc" / "system.journal").write_text("")
    journalctl = root / "journalctl"
    journalctl.write_text(f"#!{sys.executable} -ISB\n{program}")
    journalctl.chmod(0o755)
    monkeypatch.setattr(sshd_log, "JOURNALCTL", (str(root / "missing"), str(journalctl)))
    monkeypatch.setattr(sshd_log, "MACHINE_ID", str(root / "machine-id"))
    monkeypatch.setattr(sshd_log, "JOURNALS", (str(root / "none"), str(root / "journals")))


class Systemd:
    """A systemd whose units are as the role has installed and started them, except for a test's changes."""

    def __init__(self, root, monkeypatch):
        from ssh_login_notify import paths

        self._program = root / "systemctl"
        monkeypatch.setattr(paths, "SYSTEMD", str(root))
        monkeypatch.setattr(paths, "PATH_UNIT", str(root))
        monkeypatch.setattr(paths, "SYSTEMCTL", str(self._program))
        self._blocks = {name: {"ActiveState": "active"} for name in paths.UNITS}
        for name, word in paths.SERVICES.items():
            start = f"{{ path={paths.PROGRAM} ; argv[]={paths.PROGRAM} {word} ; ignore_errors=no ; pid=0 }}"
            self._blocks[name] = {"ActiveState": "inactive", "ExecStart": start, "ExecMainStatus": "0"}
        for name, block in self._blocks.items():
            block.update(Id=name, LoadState="loaded", FragmentPath="/etc/systemd/system/" + name)
        self.has()

    def has(self, name="", **changes):
        blocks = [dict(block, **(changes if block["Id"] == name else {})) for block in self._blocks.values()]
        self.shown = shown = "\n\n".join("\n".join(map("=".join, block.items())) for block in blocks)
        properties = "Id,LoadState,ActiveState,FragmentPath,ExecStart,ExecMainStatus"
        properties += ",ConditionResult,ConditionTimestampMonotonic,Result"
        asked = " ".join(["show", "--property=" + properties, *self._blocks])
        text = f"#!/bin/sh\n[ \"$*\" = '{asked}' ] || exit 3\ncat << 'END'\n{shown}\nEND\n"
        self._program.write_text(text)
        self._program.chmod(0o755)


def wait_for(condition, seconds=LONGEST_WAIT):
    """Return the condition's value once it is true. Fail if that takes too long."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.02)


@contextlib.contextmanager
def another_process_holding(lock):
    """Have another process hold the lock at this path during the block."""
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
    """Run the action in another process, and keep its result there until the end of the block."""
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


@functools.lru_cache(maxsize=None)
def library():
    """Return a directory with the package and its byte code, as the role installs it (module installed_files).

    Otherwise each process that a test starts would compile every module, because files/ contains no byte code.
    """
    directory = tempfile.mkdtemp(prefix="loginwatch-library-")
    atexit.register(shutil.rmtree, directory)
    os.chmod(directory, 0o755)
    package = os.path.join(directory, "ssh_login_notify")
    shutil.copytree(str(FILES / "ssh_login_notify"), package, ignore=shutil.ignore_patterns("__py*"))
    assert compileall.compile_dir(package, quiet=1)
    return directory


def install_package(target):
    """Copy the package. The byte code is shared: Python ignores it for a module that a test changes."""
    source = os.path.join(library(), "ssh_login_notify")
    shutil.copytree(source, str(target), ignore=shutil.ignore_patterns("__py*"))
    for folder, directories, _files in os.walk(source):
        if "__pycache__" in directories:
            directories.remove("__pycache__")
            cache = os.path.join(str(target), os.path.relpath(folder, source), "__pycache__")
            os.symlink(os.path.join(folder, "__pycache__"), cache)


class Installation:
    """The hook and its package in a directory, with their paths changed to that directory."""

    def __init__(self, root):
        self.root = root
        self._others = set(os.listdir("/proc"))
        self.spool = make_spool(root / "spool")
        self.hook = root / "ssh-login-notify"
        self.library = root / "lib" / "ssh_login_notify"
        self.sent = root / "sent"
        install_package(self.library)
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
        # The notifier must not look for these units, which sshd's SELinux domain can't read.
        self.change(self.library / "paths.py", r'SYSTEMD = ".*"', f'SYSTEMD = "{FORBIDDEN}"')
        self.change(self.library / "paths.py", r'PATH_UNIT = ".*"', f'PATH_UNIT = "{FORBIDDEN}"')

    def write_host(self, scheduler):
        """Write the file in which the role describes the host, and return its path."""
        path = self.root / "lib" / "host.json"
        path.write_text(json.dumps({"scheduler": scheduler, "sandbox_without": []}))
        return path

    @staticmethod
    def change(path, pattern, replacement):
        text, count = re.subn("^" + pattern, lambda _: replacement, path.read_text(encoding="utf-8"), flags=re.M)
        assert count == 1, pattern
        path.write_text(text, encoding="utf-8")

    def has_no_systemd(self):
        """Simulate a host where the observer starts the sender, here a script that records how it was run."""
        program = self.root / "sender"
        program.write_text(f'#!/bin/sh\n(echo "$0 $*"; env) > {self.sent}.new; mv {self.sent}.new {self.sent}\n')
        program.chmod(0o755)
        self.write_host("cron")
        self.change(self.library / "paths.py", r'PROGRAM = ".*"', f'PROGRAM = "{program}"')

    def keeps_its_log(self):
        """Redirect the system's log to a file, and return its path."""
        path = self.root / "log"
        text = "LOG_PID = LOG_AUTHPRIV = LOG_INFO = LOG_WARNING = 0\ndef openlog(*_): pass\n"
        text += f"def syslog(_, line):\n    open({str(path)!r}, 'a').write(line + '\\n')\n"
        (self.library / "kept_log.py").write_text(text)
        # Under another name: Debian's Pythons have syslog built in, and prefer built-in modules to files.
        self.change(self.library / "journal.py", r"    import syslog\b.*", "    from . import kept_log as syslog")
        return path

    def start(self, environment=None, **options):
        given = dict({"PAM_SERVICE": "sshd", "PAM_USER": "deploy", "PAM_TYPE": "open_session"}, **(environment or {}))
        # As pam_exec does (pam_exec.c, call_exec): its own variables after the PAM environment's, and PAM_TYPE last.
        names = sorted(given, key=lambda name: (name.startswith("PAM_"), name == "PAM_TYPE"))
        variables = {name: given[name] for name in names}
        options.setdefault("stdin", subprocess.DEVNULL)
        command = [str(self.hook), *options.pop("arguments", [])]
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, environment=None, **options):
        """Run the hook as pam_exec does. Return its exit status, its output, and the seconds that it took."""
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
        # Only newer processes, because reading about each process of a machine takes longer than the test.
        newer = set(os.listdir("/proc")) - self._others
        return [pid for pid in sorted(map(int, filter(str.isdigit, newer))) if self._is_ours(pid)]

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsencode(str(self.hook)) in file.read().split(b"\0")
        except OSError:
            return False

    def wait(self):
        """Wait until every process that the hook has started has ended."""
        try:
            wait_for(lambda: not self.processes())
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)


class Request:
    """A client's request, and the number of its connection."""

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
    """An instruction: send single bytes with pauses, endlessly."""

    def play(connection):
        until = time.monotonic() + LONGEST_WAIT
        while connection.fileno() >= 0 and time.monotonic() < until:
            connection.sendall(data)
            threading.Event().wait(pause)
        return False

    return play


OK = answer(200, "ok")


class Server:
    """A server on loopback, with a thread for each connection."""

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
            # The connection's thread can be reading, which close(2) alone does not end either.
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
            pass  # a client that disconnected, or rejected our certificate
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
    """Sends a greeting before any request, as an SSH server does."""

    def serve(self, connection, _number):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")


class Webhook(Server):
    """Answers each request by its next instruction, or with `ok` if none is left, and keeps the requests."""

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
    """Forwards connections after a CONNECT, and keeps its requests. It refuses them if told to."""

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


# `openssl ca` accepts a start and an end date in every version; `openssl x509` only since 3.4.
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
        """form: `former_` for the output of older tools, without many extensions that RFC 5280 requires."""
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
    # A certificate alone does not make its owner an authority.
    found.issue("of-no-authority", by="former")
    return found


class FakeProc:
    """A simulated tree of processes in the format of proc(5)."""

    def __init__(self, root):
        self.root = root

    def add(self, pid, parent, name, *arguments, **more):
        """Add a process: `name` is its comm, `arguments` its argv, or the title that setproctitle(3) has set."""
        directory = self.root / str(pid)
        (directory / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
        # proc(5): the parent is field 4, its own page faults field 10, those of reaped children 11, the start time 22,
        # the size of its memory 23, the start of its code 26, of its arguments 48, the end of its environment 51.
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
        # Processes that have these files open can't read them any more either.
        for file in ("stat", "comm", "cmdline", f"task/{pid}/children"):
            (self.root / str(pid) / file).write_bytes(b"")
        for children in self.root.glob("*/task/*/children"):
            left = [child for child in children.read_text().split() if child != str(pid)]
            children.write_text("".join(child + " " for child in left))
        shutil.rmtree(str(self.root / str(pid)))

    def forget_children(self):
        """Simulate a kernel without CONFIG_PROC_CHILDREN."""
        for children in self.root.glob("*/task/*/children"):
            children.unlink()


def delivery(spool, found, **sources):
    """Return a run of the sender over a queue, as with a single channel (sender.Dispatcher)."""
    switch = heartbeat.Switch(found) if found.heartbeat_ping_url else None
    channel = channels.load(found.channels[0], found, spool)
    return Delivery(Queue(spool), found, channel, Triage(spool, found, **sources), switch)


class Outlet:
    """A channel's part of the spool, from an entry of the setting, without what sends (outlets.Outlet)."""

    def __init__(self, spool, entry, channel=None):
        from ssh_login_notify import outlets

        self.name, self.entry, self.channel = entry["name"], entry, channel
        self.spool = outlets.place(spool, self.name)
        self.lock = outlets.Lock(self.spool.path(outlets.LOCK))
