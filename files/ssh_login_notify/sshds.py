# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sshd that accepts logins on this host: how it was started, which PAM service it uses, and whether it uses PAM.

They are found in two ways. A process shows the arguments of its start, and since OpenSSH 8.2 its title says that it
listens (sshd.c, ``[listener]``). systemd knows its services and the sockets that start one, also where /proc shows no
process, as in the sandbox of the sender's unit. Each sshd is then asked for its settings by ``sshd -T`` with the
options of its own start.

The PAM service is ``PAMServiceName`` from OpenSSH 9.8 on, which may stand in a Match block (servconf.c); before, it is
the name by which the program was started (auth-pam.c, ``SSHD_PAM_SERVICE``: ``__progname``).
"""

import glob
import os
import re
import shlex
import shutil
import subprocess

from . import pam_files, paths, sshd_start, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection, Dict, Iterator, List, Optional, Tuple

PROC = "/proc"
# Before OpenSSH 8, a configuration with a Match block fails the test unless a connection is given.
CONNECTION = "user=root,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
# Relative patterns of Include begin there (sshd_config(5)).
CONFIGURATION_DIRECTORY = "/etc/ssh"
# One within another (servconf.c, SERVCONF_MAX_DEPTH).
MOST_INCLUDES = 16
ANSWER_SECONDS = 30
USUAL_SERVICE = "sshd"
FLAGS = {"true": "yes", "false": "no"}
# The settings of an sshd if they can't be found out.
NOTHING: "List[List[str]]" = []
LARGEST_BYTES = 1 << 20
LARGEST_PROGRAM_BYTES = 1 << 23
# Stands for each connection of a socket with Accept=yes.
INSTANCE = "@loginwatch"
PROPERTIES = "Id,ActiveState,MainPID,ExecStart,Environment,EnvironmentFiles,RootDirectory,RootImage,Accept,Triggers"


class Sshd:
    """One sshd.

    executable: the file that runs. program: what it is called. options: those of its start that change its settings,
    with their values. unit: systemd's unit that starts it, "" for a process. use_pam: the value of UsePAM, "" if it was
    built without PAM, None if nothing could tell. source: what told. services: the PAM services that it uses. ports:
    those that it listens on, as text.
    """

    def __init__(self, executable: str, words: "List[str]", unit: str = "") -> None:
        self.executable = executable
        # sshd insists on an absolute path, unless systemd or inetd starts it for each connection.
        self.program = words[0] if words[0].startswith("/") else executable
        self.options = sshd_start.options(words[1:]) or []
        self.unit = unit
        self.source, lines = self._settings()
        values = [value for keyword, value in lines if keyword == "usepam"]
        self.use_pam = None if lines is NOTHING else FLAGS.get(values[0].lower(), values[0].lower()) if values else ""
        self.services = self._services(lines)
        self.ports = [value for keyword, value in lines if keyword == "port"]

    @property
    def title(self) -> str:
        """The name by which messages tell it from others."""
        file = [word for pair in self.options if pair[0] == "-f" for word in pair]
        where = f" ({self.unit})" if self.unit else " on port " + ", ".join(self.ports) if self.ports else ""
        return " ".join([self.program, *file]) + where

    @property
    def key(self) -> str:
        """A name that stays the same while the sshd is started the same way."""
        return " ".join([self.program, *(option + value for option, value in self.options)])

    @property
    def configuration(self) -> str:
        """The path of its settings."""
        return sshd_start.configuration(self.options)

    def version(self) -> "Optional[Tuple[int, int]]":
        """Return OpenSSH's version. An sshd without -V prints its usage, which begins with the version."""
        version = re.search(r"OpenSSH_([0-9]+)\.([0-9]+)", self._ask("-V")[1])
        return (int(version.group(1)), int(version.group(2))) if version else None

    def answer(self, connection: str) -> str:
        """Return all settings of a connection (sshd(8), -C) as sshd prints them, "" if it does not answer."""
        for question in ("-T", "-G"):
            code, output = self._ask(question, "-C", connection)
            if code == 0:
                return output
        return ""

    def lines(self, of_match: bool = True) -> "List[List[str]]":
        """Return keyword and value of what its start and its files set, of which the first counts.

        of_match: whether lines in Match blocks, and these themselves, are among them.
        """
        options = [_words(value) for option, value in self.options if option == "-o"]
        return [*filter(None, options), *_lines(self.configuration, of_match)]

    def _settings(self) -> "Tuple[str, List[List[str]]]":
        """Return the source of the settings, and keywords with values; the first value counts. NOTHING if unknown."""
        # -G (9.3 and later) needs neither host keys nor /run/sshd.
        for question in (["-T", "-C", CONNECTION], ["-G"]):
            code, output = self._ask(*question)
            if code == 0:
                return "sshd -T", list(filter(None, map(_words, output.splitlines())))
        # An image that never ran has no host keys, and a stopped sshd no /run/sshd: read the files as sshd would.
        if not os.path.isfile(self.configuration):
            return self.configuration, NOTHING
        return self.configuration, [*self.lines(of_match=False), ["usepam", "no"]]

    def _services(self, lines: "List[List[str]]") -> "List[str]":
        named = [value for keyword, value in lines if keyword == "pamservicename"][:1]
        if not named:
            name = os.path.basename(self.program)
            return [USUAL_SERVICE if name != USUAL_SERVICE and (self.version() or (0, 0)) >= (9, 8) else name]
        of_match = [value for keyword, value in _lines(self.configuration) if keyword == "pamservicename"]
        return list(dict.fromkeys([*named, *of_match]))

    def _ask(self, *question: str) -> "Tuple[int, str]":
        if trust.open_directories([self.executable]):
            return 127, ""  # whoever can exchange it would be root
        words = [word for option, value in self.options for word in (option, value) if word]
        return run([self.program, *words, *question], self.executable)


class Fault:
    """A reason why logins through an sshd are not reported.

    key: its lasting name. what, mend: what is wrong, and what to do, no full stop in either.
    """

    def __init__(self, key: str, what: str, mend: str) -> None:
        self.key = key
        self.what = what
        self.mend = mend


def found() -> "List[Sshd]":
    """Return every sshd that accepts logins. If none is found, return the one in PATH, which would be started."""
    running = {pid: Sshd(executable, words) for pid, executable, words in _processes()}
    all_of_them = {sshd.key: sshd for sshd in running.values()}
    for executable, words, unit in _units(list(running)):
        sshd = Sshd(executable, words, unit)
        all_of_them.setdefault(sshd.key, sshd)
    return [all_of_them[key] for key in sorted(all_of_them)] or usual()


def usual() -> "List[Sshd]":
    """Return the sshd in PATH as if it was started without options."""
    path = shutil.which("sshd")
    return [Sshd(path, [path])] if path else []


def faults(sshds: "List[Sshd]", services: "Collection[str]") -> "Iterator[Fault]":
    """Yield why logins through an sshd are not reported. services: the PAM services that run the program.

    Nothing is said of an sshd whose settings could not be read.
    """
    for sshd in sshds:
        name = "sshd" if len(sshds) == 1 else sshd.title
        if sshd.use_pam == "":
            what = f"{name} was built without PAM, so it opens no PAM session"
            yield Fault(sshd.key, what, "use the distribution's OpenSSH server")
        elif sshd.use_pam == "no":
            what = f"{name} runs with UsePAM no ({sshd.source}), so it opens no PAM session and no login is reported"
            yield Fault(sshd.key, what, "set `UsePAM yes` in its configuration and reload sshd")
        elif sshd.use_pam:
            for service in sshd.services:
                if not pam_files.reports(service, services):
                    what = f"{name} uses the PAM service {service}, which does not run the notifier"
                    mend = f"add {service} to ssh_login_notify_pam_services and run the role"
                    yield Fault(f"{sshd.key} {service}", f"{what}, so these logins are not reported", mend)


# -- processes --------------------------------------------------------------------------------------------------------


def _processes() -> "Iterator[Tuple[int, str, List[str]]]":
    """Yield pid, executable and command line of each sshd of this host that waits for connections."""
    for pid in sorted(int(entry) for entry in os.listdir(PROC) if entry.isdigit()):
        words = sshd_start.words(text_of(f"{PROC}/{pid}/cmdline").rstrip("\0").split("\0"))
        if words:
            executable = executable_of(pid)
            if executable:
                yield pid, executable, words


def executable_of(pid: int) -> str:
    """Return the file that a process runs, "" if the process is not root's or not this host's.

    Whoever starts a program chooses its arguments, even of one that is setuid. So the file is what the kernel says, and
    it has to be an sshd. An sshd of a container or a chroot has another root directory or another namespace of
    processes; one with a network or a mount namespace of its own is this host's (ip-netns(8), ProtectSystem= of its
    unit).
    """
    try:
        uids = re.search(r"^Uid:((?:\t[0-9]+)+)$", text_of(f"{PROC}/{pid}/status"), re.M)
        ours, its = os.stat("/"), os.stat(f"{PROC}/{pid}/root")
        is_ours = (ours.st_dev, ours.st_ino) == (its.st_dev, its.st_ino)
        is_ours = is_ours and os.readlink(f"{PROC}/{pid}/ns/pid") == os.readlink(f"{PROC}/self/ns/pid")
        path = os.readlink(f"{PROC}/{pid}/exe")
    except OSError:
        return ""
    # An update replaced the file, and sshd was not restarted yet.
    path = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
    is_roots = uids is not None and set(uids.group(1).split()) == {"0"}
    return path if is_ours and is_roots and _is_sshd(path) else ""


def _is_sshd(path: str) -> bool:
    """Tell whether a file is an sshd, whatever its name: sshd.pam, gsisshd, hpnsshd."""
    try:
        with open(path, "rb") as file:
            is_named_so = "sshd" in os.path.basename(os.path.realpath(path))
            return is_named_so or b"/sshd_config" in file.read(LARGEST_PROGRAM_BYTES)
    except OSError:
        return False


# -- units ------------------------------------------------------------------------------------------------------------


def _units(pids: "List[int]") -> "Iterator[Tuple[str, List[str], str]]":
    """Yield executable, command line and unit of each sshd that a service runs or a socket starts, except `pids`."""
    if not os.path.isdir(paths.SYSTEMD):
        return
    units = _shown("*.service", "*.socket")
    wanted = {name for name, unit in units.items() if name.endswith(".service") and _is_active(unit)}
    templates = []
    for name, unit in units.items():
        if name.endswith(".socket") and _is_active(unit):
            wanted.update(" ".join(unit.get("Triggers", [])).split())
            # Each connection has a service of its own (systemd.socket(5)).
            templates += [name[: -len(".socket")] + INSTANCE + ".service"] * (unit.get("Accept") == ["yes"])
    units.update(_shown(*templates) if templates else {})
    for name in sorted({*wanted, *templates}):
        unit = units.get(name, {})
        is_foreign = any(unit.get("RootDirectory", [])) or any(unit.get("RootImage", []))
        if not is_foreign and unit.get("MainPID", ["0"])[0] not in map(str, pids):
            for executable, words in _started_by(unit):
                yield executable, words, name.replace(INSTANCE, "@")


def _shown(*names: str) -> "Dict[str, Dict[str, List[str]]]":
    """Return the properties of loaded systemd units, each with its values, by the names of the units."""
    systemctl = shutil.which("systemctl") or paths.SYSTEMCTL
    units: Dict[str, Dict[str, List[str]]] = {}
    for block in run([systemctl, "show", "--property=" + PROPERTIES, *names])[1].split("\n\n"):
        unit: Dict[str, List[str]] = {}
        for line in block.splitlines():
            name, _equals, value = line.partition("=")
            unit.setdefault(name, []).append(value)
        units[unit.get("Id", [""])[0]] = unit
    return units


def _is_active(unit: "Dict[str, List[str]]") -> bool:
    return unit.get("ActiveState") == ["active"]


def _started_by(unit: "Dict[str, List[str]]") -> "Iterator[Tuple[str, List[str]]]":
    for command in unit.get("ExecStart", []):
        parts = re.match(r"\{ path=(?P<path>\S+) ; argv\[\]=(?P<words>.*?) ; (?:ignore_errors|flags)=", command)
        if parts and _is_sshd(parts.group("path")):
            words = list(_with_variables(parts.group("words").split(), unit))
            if words and sshd_start.options(words[1:]) is not None:
                yield parts.group("path"), words


def _with_variables(words: "List[str]", unit: "Dict[str, List[str]]") -> "Iterator[str]":
    """Yield the words of a command with the unit's variables in their place (systemd.service(5))."""
    variables = dict(text.partition("=")[::2] for text in _split(" ".join(unit.get("Environment", []))))
    for value in unit.get("EnvironmentFiles", []):
        for line in text_of(value.partition(" (")[0]).splitlines():
            name, equals, text = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                variables[name] = " ".join(_split(text))
    for word in words:
        if re.match(r"\$[A-Za-z_]\w*\Z", word):
            yield from _split(variables.get(word[1:], ""))
        else:
            yield re.sub(r"\$\{(\w+)\}", lambda match: variables.get(match.group(1), ""), word)


def _split(text: str) -> "List[str]":
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


# -- files and commands -----------------------------------------------------------------------------------------------


def _lines(path: str, of_match: bool = True, depth: int = 0) -> "Iterator[List[str]]":
    """Yield keyword and value of each line of a configuration, in sshd's order, with included files in their place.

    of_match: whether to yield lines in Match blocks. A block ends with its file (servconf.c).
    """
    for keyword, value in filter(None, map(_words, text_of(path).splitlines())):
        if keyword == "match" and not of_match:
            return
        if keyword != "include":
            yield [keyword, value]
        elif depth < MOST_INCLUDES:
            for pattern in value.split():
                for file in sorted(glob.glob(os.path.join(CONFIGURATION_DIRECTORY, pattern))):
                    yield from _lines(file, of_match, depth + 1)


def _words(line: str) -> "List[str]":
    """Return the keyword in lower case and the value of a line of sshd_config; an empty list for a comment."""
    words = line.replace('"', " ").replace("=", " ").split(None, 1)
    return [] if not words or words[0].startswith("#") else [words[0].lower(), "".join(words[1:]).strip()]


def text_of(path: str) -> str:
    """Return the text of a file, "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def run(words: "List[str]", executable: "Optional[str]" = None) -> "Tuple[int, str]":
    """Run a command. Return its exit code and its output with errors; 127 and no output if it can't be run.

    executable: the file that is run, if the first word is only what it is called.
    """
    try:
        done = subprocess.run(  # noqa: S603
            words, executable=executable, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False, timeout=ANSWER_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
