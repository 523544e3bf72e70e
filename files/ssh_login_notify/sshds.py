# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sshd that accepts logins on this host: how it was started, which PAM service it uses, and whether it uses PAM.

They are found in two ways. A process shows the arguments of its start, and since OpenSSH 8.2 its title shows that it
listens (sshd.c, ``[listener]``). systemd knows its services and the sockets that start one, also if /proc shows no
processes, as in the sandbox of the sender's unit. For each sshd, ``sshd -T`` with the options of its start then prints
its settings.

From OpenSSH 9.8 on, the PAM service is ``PAMServiceName``, which can be in a Match block (servconf.c). Before, it is
the name under which the program was started (auth-pam.c, ``SSHD_PAM_SERVICE``: ``__progname``).
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
# Relative patterns of Include start there (sshd_config(5)).
CONFIGURATION_DIRECTORY = "/etc/ssh"
# The depth of nested includes (servconf.c, SERVCONF_MAX_DEPTH).
MOST_INCLUDES = 16
ANSWER_SECONDS = 30
USUAL_SERVICE = "sshd"
FLAGS = {"true": "yes", "false": "no"}
# The value of Sshd.source if sshd itself printed the settings of a connection.
SSHD = "sshd -T"
# Stands for unknown settings.
NOTHING: "List[List[str]]" = []
LARGEST_BYTES = 1 << 20
LARGEST_PROGRAM_BYTES = 1 << 23
LONGEST_COMMAND_BYTES = 1 << 16
# The option of an sshd that was started for one connection, by inetd or by systemd.
ONE_CONNECTION = "-i"
# Stands for the instance of a socket with Accept=yes that serves one connection.
INSTANCE = "@loginwatch"
PROPERTIES = "Id,ActiveState,MainPID,ExecStart,Environment,EnvironmentFiles,RootDirectory,RootImage,Accept,Triggers"


class Sshd:
    """One sshd.

    executable: its file. program: the path in its command line. options: the options of its start that change its
    settings, with their values. unit: systemd's unit that starts it, "" if it was found as a process. use_pam: the
    value of UsePAM, "" if it was built without PAM, None if unknown. source: where its settings were read from.
    services: the PAM services that it uses. ports: the ports that it listens on, as text. settings: all keywords and
    values that `sshd -T` printed, NOTHING if it failed. is_running: False if it is only installed.
    """

    def __init__(self, executable: str, words: "List[str]", unit: str = "") -> None:
        self.executable = executable
        # sshd requires an absolute path, unless systemd or inetd starts it for each connection.
        self.program = words[0] if words[0].startswith("/") else executable
        self.options = sshd_start.options(words[1:]) or []
        self.unit = unit
        self.is_running = True
        self.source, lines = self._settings()
        values = [value for keyword, value in lines if keyword == "usepam"]
        self.use_pam = None if lines is NOTHING else FLAGS.get(values[0].lower(), values[0].lower()) if values else ""
        self.services = self._services(lines)
        self.ports = [value for keyword, value in lines if keyword == "port"]
        self.settings = lines if self.source == SSHD else NOTHING

    @property
    def title(self) -> str:
        """The name that distinguishes it in messages."""
        file = [word for pair in self.options if pair[0] == "-f" for word in pair]
        where = f" ({self.unit})" if self.unit else " on port " + ", ".join(self.ports) if self.ports else ""
        return " ".join([self.program, *file]) + where

    @property
    def key(self) -> str:
        """An id that stays the same as long as the sshd is started in the same way."""
        return " ".join([self.program, *(option + value for option, value in self.options)])

    @property
    def configuration(self) -> str:
        """The path of its configuration."""
        return sshd_start.configuration(self.options)

    def version(self) -> "Optional[Tuple[int, int]]":
        """Return OpenSSH's version, None if unknown. An sshd without -V prints its usage, with the version."""
        version = re.search(r"OpenSSH_([0-9]+)\.([0-9]+)", self._ask("-V")[1])
        return (int(version.group(1)), int(version.group(2))) if version else None

    def answer(self, connection: str) -> str:
        """Return all settings for a connection (sshd(8), -C) as sshd prints them, "" if it fails."""
        for question in ("-T", "-G"):
            code, output = self._ask(question, "-C", connection)
            if code == 0:
                return output
        return ""

    def lines(self, of_match: bool = True) -> "List[List[str]]":
        """Return keyword and value of each setting in its options and its files. The first value of a keyword counts.

        of_match: include the Match lines, and the lines in their blocks
        """
        options = [_words(value) for option, value in self.options if option == "-o"]
        return [*filter(None, options), *_lines(self.configuration, of_match)]

    def matched(self) -> "List[Tuple[str, str, str]]":
        """Return condition, keyword and value of each line in a Match block. No output of sshd has all of these."""
        return list(_matched(self.configuration))

    def files(self) -> "List[str]":
        """Return the paths on which its settings depend: executable, files, and directories of included files."""
        return list(dict.fromkeys([self.executable, *_files(self.configuration)]))

    def _settings(self) -> "Tuple[str, List[List[str]]]":
        """Return the source of the settings, and keywords with values. The first value counts. NOTHING if unknown."""
        # -G (9.3 and later) needs neither host keys nor /run/sshd.
        for question in (["-T", "-C", CONNECTION], ["-G"]):
            code, output = self._ask(*question)
            if code == 0:
                return "sshd " + question[0], list(filter(None, map(_words, output.splitlines())))
        # An image that never ran has no host keys, and a stopped sshd no /run/sshd. Then read the files as sshd does.
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
            return 127, ""  # a user who can replace the file would become root
        words = [word for option, value in self.options for word in (option, value) if word]
        return run([self.program, *words, *question], self.executable)


class Fault:
    """A reason why logins through an sshd are not reported.

    key: an id that stays the same while the fault lasts. what, mend: what is wrong, and what to do, without full stops.
    """

    def __init__(self, key: str, what: str, mend: str) -> None:
        self.key = key
        self.what = what
        self.mend = mend


def found() -> "List[Sshd]":
    """Return every sshd that accepts logins. If none is found, return the one in PATH, as it would be started."""
    running = {pid: Sshd(executable, words) for pid, executable, words in _processes()}
    all_of_them = {sshd.key: sshd for sshd in running.values()}
    for executable, words, unit in _units(list(running)):
        sshd = Sshd(executable, words, unit)
        all_of_them.setdefault(sshd.key, sshd)
    return [all_of_them[key] for key in sorted(all_of_them)] or usual()


def starts() -> "List[str]":
    """Return the executable and the arguments of each listening sshd, each as one line. This runs no sshd."""
    waiting = [[executable, *words] for _pid, executable, words in _processes()]
    return sorted({" ".join(words) for words in waiting if ONE_CONNECTION not in words})


def usual() -> "List[Sshd]":
    """Return the sshd in PATH, as if it were started without options."""
    path = shutil.which("sshd")
    if not path:
        return []
    sshd = Sshd(path, [path])
    sshd.is_running = False
    return [sshd]


def faults(sshds: "List[Sshd]", services: "Collection[str]") -> "Iterator[Fault]":
    """Yield the reasons why logins through an sshd are not reported. An sshd with unknown settings is skipped.

    services: the PAM services that run the notifier
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
    """Yield pid, executable and command line of each listening sshd of this host.

    Only root's processes are read, because a user can map a command line from a FUSE file, so that reading it blocks
    forever. Options are parsed only if the process is an sshd, because sudo(8) runs as root with any arguments of a
    user.
    """
    for pid in sorted(int(entry) for entry in os.listdir(PROC) if entry.isdigit()):
        if is_roots(pid):
            text = text_of(f"{PROC}/{pid}/cmdline", LONGEST_COMMAND_BYTES)
            words = sshd_start.named(text.rstrip("\0").split("\0"))
            executable = executable_of(pid) if words else ""
            if executable and sshd_start.options(words[1:]) is not None:
                yield pid, executable, words


def is_roots(pid: int) -> bool:
    """Return whether all user ids of a process are root's.

    The owner of its directory is checked first, which is faster, but it is also root if the process is not dumpable
    (proc(5)).
    """
    try:
        if os.stat(f"{PROC}/{pid}").st_uid != 0:
            return False
    except OSError:
        return False  # it has ended
    uids = re.search(r"^Uid:((?:\t[0-9]+)+)$", text_of(f"{PROC}/{pid}/status"), re.M)
    return uids is not None and set(uids.group(1).split()) == {"0"}


def executable_of(pid: int) -> str:
    """Return the executable of an sshd process, "" if it is not root's, not this host's, or no sshd.

    A user chooses the arguments of a program, even if it is setuid. So the path is read from the kernel, and the file
    must be an sshd. An sshd in a container or a chroot has another root directory or another PID namespace. One with
    only its own network or mount namespace belongs to this host (ip-netns(8), ProtectSystem= in its unit).
    """
    if not is_roots(pid):
        return ""
    try:
        ours, its = os.stat("/"), os.stat(f"{PROC}/{pid}/root")
        is_ours = (ours.st_dev, ours.st_ino) == (its.st_dev, its.st_ino)
        is_ours = is_ours and os.readlink(f"{PROC}/{pid}/ns/pid") == os.readlink(f"{PROC}/self/ns/pid")
        path = os.readlink(f"{PROC}/{pid}/exe")
    except OSError:
        return ""
    # An upgrade replaced the file, and sshd was not restarted yet.
    path = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
    return path if is_ours and _is_sshd(path) else ""


def _is_sshd(path: str) -> bool:
    """Return whether a file is an sshd, whatever its name, such as sshd.pam, gsisshd or hpnsshd."""
    try:
        with open(path, "rb") as file:
            is_named_so = "sshd" in os.path.basename(os.path.realpath(path))
            return is_named_so or b"/sshd_config" in file.read(LARGEST_PROGRAM_BYTES)
    except OSError:
        return False


# -- units ------------------------------------------------------------------------------------------------------------


def _units(pids: "List[int]") -> "Iterator[Tuple[str, List[str], str]]":
    """Yield executable, command line and unit of each sshd that a service runs or a socket starts. Skip these pids."""
    if not os.path.isdir(paths.SYSTEMD):
        return
    units = _shown("*.service", "*.socket")
    wanted = {name for name, unit in units.items() if name.endswith(".service") and _is_active(unit)}
    templates = []
    for name, unit in units.items():
        if name.endswith(".socket") and _is_active(unit):
            wanted.update(" ".join(unit.get("Triggers", [])).split())
            # Each connection has its own service (systemd.socket(5)).
            templates += [name[: -len(".socket")] + INSTANCE + ".service"] * (unit.get("Accept") == ["yes"])
    units.update(_shown(*templates) if templates else {})
    for name in sorted({*wanted, *templates}):
        unit = units.get(name, {})
        is_foreign = any(unit.get("RootDirectory", [])) or any(unit.get("RootImage", []))
        if not is_foreign and unit.get("MainPID", ["0"])[0] not in map(str, pids):
            for executable, words in _started_by(unit):
                yield executable, words, name.replace(INSTANCE, "@")


def _shown(*names: str) -> "Dict[str, Dict[str, List[str]]]":
    """Return the properties of loaded systemd units, by unit. Each property has a list of values."""
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
    """Yield the words of a command, with the unit's variables expanded (systemd.service(5))."""
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
    """Yield keyword and value of each line of a configuration, in sshd's order, with included files expanded.

    of_match: whether to yield Match lines and the lines in their blocks. A block ends with its file (servconf.c).
    """
    for keyword, value in filter(None, map(_words, text_of(path).splitlines())):
        if keyword == "match" and not of_match:
            return
        if keyword != "include":
            yield [keyword, value]
        else:
            for file in _included(value, depth):
                yield from _lines(file, of_match, depth + 1)


def _matched(path: str, condition: str = "", depth: int = 0) -> "Iterator[Tuple[str, str, str]]":
    """Yield condition, keyword and value of each line in a Match block. A block ends with its file (servconf.c)."""
    for keyword, value in filter(None, map(_words, text_of(path).splitlines())):
        if keyword == "match":
            condition = value
        elif keyword == "include":
            for file in _included(value, depth):
                yield from _matched(file, condition, depth + 1)
        elif condition:
            yield condition, keyword, value


def _files(path: str, depth: int = 0) -> "Iterator[str]":
    """Yield the paths of a configuration, of the files that it includes, and of the directories of these files."""
    yield path
    for keyword, value in filter(None, map(_words, text_of(path).splitlines())):
        if keyword == "include":
            yield from (os.path.dirname(os.path.join(CONFIGURATION_DIRECTORY, pattern)) for pattern in value.split())
            for file in _included(value, depth):
                yield from _files(file, depth + 1)


def _included(patterns: str, depth: int) -> "Iterator[str]":
    if depth < MOST_INCLUDES:
        for pattern in patterns.split():
            yield from sorted(glob.glob(os.path.join(CONFIGURATION_DIRECTORY, pattern)))


def _words(line: str) -> "List[str]":
    """Return the keyword, in lower case, and the value of a line of sshd_config. Empty for comments and blank lines."""
    words = line.replace('"', " ").replace("=", " ").split(None, 1)
    return [] if not words or words[0].startswith("#") else [words[0].lower(), "".join(words[1:]).strip()]


def text_of(path: str, largest: int = LARGEST_BYTES) -> str:
    """Return the text of a file, "" if it can't be read. largest: the bytes that are read"""
    try:
        with open(path, "rb") as file:
            return file.read(largest).decode("utf-8", "replace")
    except OSError:
        return ""


def run(words: "List[str]", executable: "Optional[str]" = None) -> "Tuple[int, str]":
    """Run a command. Return its exit code, and its output with errors; 127 and no output if it can't be run.

    executable: the file to run, if it is not the first word
    """
    try:
        done = subprocess.run(  # noqa: S603
            words, executable=executable, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False, timeout=ANSWER_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
