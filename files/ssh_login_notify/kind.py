"""What a login is for, read from the processes below the sshd process that serves it.

sshd opens the PAM session before the client has said what it wants, so the hook cannot know. A moment later it shows
here (OpenSSH: session.c, sshd-session.c; measured with 9.2 and 10.0):

    sshd: deploy [priv]      the monitor, root: the hook's parent, and that of PAM's other helpers, such as pam_motd's
      sshd: deploy@notty     the session's server, the user's; "sshd: deploy" until the client opens a session
        bash -c CMD          what the client asked for, run by the user's shell; often replaced by CMD itself
        -bash                a login shell
        sshd: deploy@internal-sftp     sshd's own SFTP server

A root login has no process of its own for the second line up to OpenSSH 9.7; there the monitor becomes the server.
Since 9.8 the titles begin with "sshd-session:".

The rule: a transfer (SFTP, SCP, rsync, git) is named only when it is all that the client asked for. Whatever else runs
is an SSH command or a shell. What did not show itself in time is unknown, never guessed.
"""

import os

from .processes import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Set, Tuple

INTERACTIVE = "SSH (interactive)"
COMMAND = "SSH (command)"
SFTP_OR_SCP = "SFTP or SCP"  # scp speaks SFTP since OpenSSH 9.0, and nothing on the server tells the two apart
SCP = "SCP"
RSYNC = "rsync"
GIT = "git"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"
SOMETHING_OVER = "SSH (command or transfer, over at once)"  # it came and went between two looks
TRANSFERS = (SFTP_OR_SCP, SCP, RSYNC, GIT)

SERVERS = (b"sshd", b"sshd-session")
SHELLS = (b"sh", b"bash", b"rbash", b"dash", b"ash", b"zsh", b"ksh", b"mksh", b"csh", b"tcsh", b"fish", b"git-shell")
# Where the distributions put it; the same name anywhere else is somebody's own program.
SFTP_SERVER_DIRECTORIES = (
    b"/usr/lib/openssh",
    b"/usr/libexec/openssh",
    b"/usr/lib/ssh",
    b"/usr/libexec/ssh",
    b"/usr/libexec",
    b"/usr/lib/misc",
)
SYSTEM_DIRECTORIES = (b"/usr/bin", b"/bin", b"/usr/local/bin")
PROGRAM_DIRECTORIES = (b"", *SYSTEM_DIRECTORIES)
GIT_PROGRAMS = (b"git-upload-pack", b"git-receive-pack", b"git-upload-archive")
# With one of these a shell does more than run one program: even a variable can, ${LC_A@P} or $[LC_A], and the client
# may set some. csh looks for an exclamation mark in quotes too.
OPERATORS = b";&|<>()`$!\n\r"
SEPARATED = bytes.maketrans(b";&|\n\r", b"     ")
QUOTED = b"'"  # stands for a quoted part, of which nothing is shown
OPENERS = b"(`{["  # in an assignment's value: the words that follow may belong to it
LONGEST_PROGRAM_NAME = 40
DEFAULT_SHELL = b"/bin/sh"  # passwd(5)
# As ssh clients give them to scp; all of them without a value, so that none can hide an option of another meaning.
SCP_FLAGS = b"vrpdq"
SCP_MODES = b"tf"
QUOTES = b"'\"\\"
EXPANDED = b"{*?["  # a shell puts other words in the place of one that has these
OPTION_STARTS = tuple(b"-" + EXPANDED)
# A daemon runs programs that its configuration names (rsyncd.conf(5), pre-xfer exec), which may be the client's own;
# with secluded arguments, -s, all options come later, over the connection, where nobody sees them.
RSYNC_UNTOLD = (b"--daemon", b"--secluded-args", b"--protect-args")


def seriousness(kind: str) -> int:
    """Return how serious a kind is, as a number: of several that one connection shows, the highest counts."""
    if kind in (UNKNOWN, TUNNEL):
        return (UNKNOWN, TUNNEL).index(kind)
    if kind in TRANSFERS:
        return 2
    if kind == SOMETHING_OVER:
        return 3
    return 5 if kind == INTERACTIVE else 4


class Connection:
    """One connection's processes, looked at until they show what the login is for.

    over: whether a look has found it closed.
    """

    def __init__(self, processes: Processes, monitor: int, monitor_start: "Optional[int]", user: bytes) -> None:
        """monitor and monitor_start (see Processes.start) name one sshd process, even when its pid is used again."""
        self._processes = processes
        self._processes.keep(monitor)
        self._monitor = monitor
        self._monitor_start = monitor_start
        self._user = user
        self._server = 0
        self._title = b""
        self._opened: Optional[float] = None
        self._status = b""
        self._has_children = False
        self._known: Set[int] = set()  # the server's children of which the kind was seen
        self._reaped_faults: Optional[int] = None  # of those that the server had reaped when these were its children
        self._is_puzzling = False
        self.served_since: Optional[float] = None  # when the session's server was first seen
        self.over = False

    def look(self, now: float) -> "Optional[str]":
        """Return the kind if it shows now, `unknown` if the connection is over, None if there is more to wait for.

        now: seconds of a clock that runs evenly.
        """
        if not self._server:
            self._server = self._find_server()
            if not self._server:
                return UNKNOWN if self._is_over() else None
            self._processes.keep(self._server)
            self.served_since = now
            if self._reaped_faults is None:
                self._reaped_faults = self._processes.reaped_faults(self._server)
        title = self._title_of(self._server)
        if not title:
            return UNKNOWN if self._is_over() else None
        self._title = title
        if not self._has_session():
            return None  # sshd writes a session into the title before it runs anything for it
        if self._opened is None:
            self._opened = now
        kind = self._of_children()
        # Looked at last: had the pid become another's, all that was read above would be of strangers.
        return UNKNOWN if kind and self._is_over() else kind

    def is_quiet(self) -> bool:
        """Tell whether nothing can have happened since this was last asked: there is no session, and sshd has slept.

        A fork alone makes page faults in the process that forks, so a session that came shows in its status.
        """
        status = self._processes.status(self._server) if self._server else b""
        quiet = bool(status) and status == self._status and not self._has_children
        self._status = status
        return quiet

    def has_missed_one(self) -> bool:
        """Tell whether a session has come and gone since this was last asked, and no look has seen what it was.

        The server has then reaped a child, and all whose kind was seen are still there. When one of these has ended,
        it may have been that one. Where others live, it is said one look later: the kernel counts a child as reaped a
        moment before it takes it out of the list.
        """
        faults, children = self._snapshot()
        if faults is None:
            return False
        ended = self._known - children
        reaped_one = self._reaped_faults is not None and faults > self._reaped_faults and not ended
        missed = (reaped_one and not self._known) or (self._is_puzzling and not ended)
        self._is_puzzling = reaped_one and not missed
        self._reaped_faults, self._known, self._has_children = faults, self._known & children, bool(children)
        return missed

    def _snapshot(self) -> "Tuple[Optional[int], Set[int]]":
        """Return the page faults of what the server has reaped, and its children, both of one moment."""
        faults = self._processes.reaped_faults(self._server) if self._server else None
        children: Set[int] = set()
        while faults is not None:
            children = set(self._processes.children(self._server))
            before, faults = faults, self._processes.reaped_faults(self._server)
            if faults == before:
                break
        return faults, children

    def remembered(self) -> str:
        """Return what another process needs to go on with has_missed_one (see go_on); empty if there is nothing to see.

        That is so when the connection is over, or when it is none of sshd's but, say, login(1)'s.
        """
        if self._is_over() or self._processes.name(self._monitor) not in SERVERS:
            return ""
        faults = "" if self._reaped_faults is None else str(self._reaped_faults)
        return "{}:{}".format(faults, ",".join(str(child) for child in sorted(self._known)))

    def go_on(self, remembered: str) -> None:
        """Go on where another process has stopped looking."""
        faults, _colon, children = remembered.partition(":")
        self._reaped_faults = int(faults) if faults else None
        self._known = {int(child) for child in children.split(",") if child}

    def close(self) -> None:
        """Stop looking at it."""
        self._processes.let_go(self._monitor)
        self._processes.let_go(self._server)

    def is_opening(self, now: float, seconds: float) -> bool:
        """Tell whether the client opened a session no longer ago than this: what it runs may show any moment."""
        return self._opened is not None and now - self._opened < seconds

    def last_look(self) -> str:
        """Return what can be said of a connection that has shown nothing in all the time that it had."""
        return TUNNEL if self._title and not self._has_session() else UNKNOWN

    def _has_session(self) -> bool:
        """Tell whether the server's title has a terminal, `@pts/0`, or `@notty`. A user's name may itself hold an @."""
        title = self._title[len(self._user) :] if self._title.startswith(self._user) else self._title
        return b"@" in title

    def _is_over(self) -> bool:
        self.over = self._monitor_start is None or self._processes.start(self._monitor) != self._monitor_start
        return self.over

    def _find_server(self) -> int:
        if self._title_of(self._monitor):
            return self._monitor
        # By the name first: arguments are dear to read, and PAM's helpers have them too.
        servers = (pid for pid in self._processes.children(self._monitor) if self._processes.name(pid) in SERVERS)
        return next((pid for pid in servers if self._title_of(pid)), 0)

    def _title_of(self, process: int) -> bytes:
        """Return `deploy`, `deploy@notty`, `deploy@pts/0` for a session's server, nothing for any other process."""
        return _title(self._processes.arguments(process))

    def _of_children(self) -> "Optional[str]":
        """Return the most serious of what the children are, None as long as none shows it."""
        found = {child: self._of_child(child) for child in self._processes.children(self._server)}
        kinds = {child: kind for child, kind in found.items() if kind}
        self._known.update(kinds)
        return max(kinds.values(), key=seriousness, default=None)

    def _of_child(self, child: int) -> "Optional[str]":
        # Forked but not yet what it will be, or over: its name alone would be a guess. The name is read first, since a
        # process that has its new name has lost its old arguments.
        name = self._processes.name(child)
        arguments = self._processes.arguments(child)
        if name in SERVERS or not arguments or arguments[0].partition(b":")[0] in SERVERS:
            return self._of_server(child)
        if arguments[0].startswith(b"-"):
            return INTERACTIVE
        is_shell = len(arguments) == 3 and arguments[1] == b"-c" and self._is_shell(arguments[0])
        command = arguments[2] if is_shell else None
        claimed = of_program(arguments, b"") if command is None else of_command(command)
        if claimed not in TRANSFERS:
            return claimed
        file = self._processes.executable(child)
        if self._processes.arguments(child) != arguments:
            return None  # it has become another program meanwhile, or is over: whose file it was can't be told
        if command is None:
            return of_program(arguments, file)
        return claimed if not file or self._is_file_of_shell(file) else COMMAND

    def _of_server(self, child: int) -> "Optional[str]":
        """Return the kind of a process that looks like one of sshd's: any program can, but not with sshd's file.

        The file is read first: it and the arguments change at once, so those that are read after it are this file's.
        """
        server, file = self._processes.executable(self._server), self._processes.executable(child)
        arguments = self._processes.arguments(child)
        if file != server:
            looks_so = b" ".join(arguments).partition(b":")[0] in SERVERS or self._processes.name(child) in SERVERS
            return COMMAND if file and server and arguments and looks_so else None
        # A title is one text. Who starts sshd's own file under this name has to give it options, too.
        is_sftp = len(arguments) == 1 and _title(arguments).endswith(b"@internal-sftp")
        return SFTP_OR_SCP if is_sftp else None

    def _is_shell(self, name: bytes) -> bool:
        """sshd runs a command as `SHELL -c COMMAND`, with the name of the user's shell without its directory."""
        return name in SHELLS or name == os.path.basename(login_shell(self._user))

    def _is_file_of_shell(self, file: bytes) -> bool:
        """Tell whether this is the file of the user's shell: any program can be started with a shell's arguments."""
        shell = login_shell(self._user)
        if shell:
            return file == os.path.realpath(shell)
        directory, _slash, name = file.rpartition(b"/")
        return directory in SYSTEM_DIRECTORIES and name in SHELLS


def _title(arguments: "List[bytes]") -> bytes:
    program, _colon, title = b" ".join(arguments).partition(b": ")
    return title if program in SERVERS and not title.endswith((b" [priv]", b" [pam]", b" [net]")) else b""


def of_command(command: bytes) -> str:
    """Return the kind of a command line as the client sent it, or as sshd's configuration forces it."""
    skeleton = _skeleton(command)
    words = command.split()
    if words and not any(operator in skeleton for operator in OPERATORS):
        transfer = _transfer(words)
        if transfer:
            return transfer
    for word in skeleton.translate(SEPARATED).split():
        # NAME=value in front of a command is the shell's assignment, and the value may be a secret.
        name, assigns, value = word.partition(b"=")
        if not assigns:
            return _command(word)
        if not name.replace(b"_", b"").isalnum() or any(opener in value for opener in OPENERS):
            return COMMAND
    return COMMAND


def of_program(arguments: "List[bytes]", executable: bytes) -> str:
    """Return the kind of a process that has taken the shell's place.

    executable: the file that it runs (proc(5), exe), empty when that can't be read. A process chooses its arguments
    itself, but not this.
    """
    transfer = _transfer(arguments)
    if transfer:
        asked = arguments[0].rpartition(b"/")[2]
        directory, _slash, runs = executable.rpartition(b"/")
        trusted = PROGRAM_DIRECTORIES + SFTP_SERVER_DIRECTORIES
        if not executable or (directory in trusted and runs in (asked, b"git")):
            return transfer
    return _command(arguments[0])


def _transfer(words: "List[bytes]") -> "Optional[str]":
    directory, _slash, program = words[0].rpartition(b"/")
    if program == b"sftp-server" and directory in SFTP_SERVER_DIRECTORIES:
        return SFTP_OR_SCP
    if directory not in PROGRAM_DIRECTORIES:
        return None
    if program == b"scp" and _is_scp_server(words[1:]):
        return SCP
    if program == b"rsync" and words[1:2] == [b"--server"] and _is_rsync_told(words[2:]):
        return RSYNC
    if program == b"git":
        program, words = b"git-" + b"".join(words[1:2]), words[1:]
    # git's servers are given a directory; --help would show a manual, in a program that gives a shell.
    if program in GIT_PROGRAMS and not _options(words[1:2]):
        return GIT
    return None


def _options(words: "List[bytes]") -> "List[bytes]":
    """Return the words that are options, or that a shell may put some in the place of, without their quotes."""
    plain = (word.translate(None, QUOTES) for word in words)
    return [word for word in plain if word[:1] and word[0] in OPTION_STARTS]


def _is_rsync_told(words: "List[bytes]") -> bool:
    """Tell whether the options say what rsync's server does, and that it is to carry files and nothing else."""
    for option in _options(words):
        if option[:1] != b"-" or option.startswith(RSYNC_UNTOLD) or any(byte in EXPANDED for byte in option):
            return False
        # Of several letters the first that takes a value takes the rest; a client's -e has capabilities, also an s.
        if option[:2] != b"--" and b"s" in option.partition(b"e")[0]:
            return False
    return True


def _is_scp_server(options: "List[bytes]") -> bool:
    """Tell a server, `scp -p -t DIRECTORY`, from a client, which can be told to run any program: `scp -S PROGRAM`."""
    for option in options:
        flags = option[1:]
        if not option.startswith(b"-") or not flags or flags.strip(SCP_FLAGS + SCP_MODES):
            return False
        if any(mode in flags for mode in SCP_MODES):
            return True
    return False


def _command(path: bytes) -> str:
    """Name the program, and nothing of what it was given, which may be a secret."""
    name = path.rpartition(b"/")[2]
    plain = name.translate(None, b"._+-").isalnum() and len(name) <= LONGEST_PROGRAM_NAME
    return "SSH (command: {})".format(name.decode("ascii")) if plain else COMMAND


def _skeleton(command: bytes) -> bytes:
    """Return the command with QUOTED for all that is quoted (POSIX shell language, 2.2).

    A backtick stands for what is quoted and may still run something ("$(…)"), and ends what can't be read for certain:
    $'…', a quote that does not end, or one with a character that fish and csh read in another way than sh. So looking
    for operators errs on the side of finding one.
    """
    kept = bytearray()
    position = 0
    while position < len(command):
        byte = command[position : position + 1]
        end = position + 1
        if byte == b"\\":
            byte, end = QUOTED, position + 2
        elif byte == b"$" and command[end : end + 1] in (b"'", b'"'):
            return bytes(kept + b"`")
        elif byte in (b"'", b'"'):
            end = command.find(byte, end) + 1
            inside = command[position:end]
            if not end or b"\\" in inside or b"!" in inside:
                return bytes(kept + b"`")
            byte = b"`" if byte == b'"' and (b"`" in inside or b"$" in inside) else QUOTED
        kept += byte
        position = end
    return bytes(kept)


def login_shell(user: bytes) -> bytes:
    """Return the path of a local user's shell (passwd(5)), empty for others: a directory service may take its time."""
    try:
        with open("/etc/passwd", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b":")
                if fields[0] == user and len(fields) == 7:
                    return fields[6] or DEFAULT_SHELL
    except OSError:
        pass
    return b""
