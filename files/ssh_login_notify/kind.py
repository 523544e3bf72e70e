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
    from typing import List, Optional

INTERACTIVE = "SSH (interactive)"
COMMAND = "SSH (command)"
SFTP_OR_SCP = "SFTP or SCP"  # scp speaks SFTP since OpenSSH 9.0, and nothing on the server tells the two apart
SCP = "SCP"
RSYNC = "rsync"
GIT = "git"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"
# Of sessions that were over before they had shown more than this.
COMMAND_OVER = "SSH (command, over at once)"
SOMETHING_OVER = "SSH (command or transfer, over at once)"
TERMINAL_OVER = "SSH (with a terminal, over at once)"
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
# By which a process of theirs can go; the kernel cuts the names of git's servers.
GIT_NAMES = (b"git", b"git-upload-pack", b"git-receive-pac", b"git-upload-arch")
TRANSFER_NAMES = (b"sftp-server", b"scp", b"rsync", *GIT_NAMES)
GIT_PROGRAMS = (b"git-upload-pack", b"git-receive-pack", b"git-upload-archive")
# With one of these a shell does more than run one program: even a variable can, ${LC_A@P} or $[LC_A], and the client
# may set some. csh looks for an exclamation mark in quotes too.
OPERATORS = b";&|<>()`$!\n\r"
SEPARATED = bytes.maketrans(b";&|\n\r", b"     ")
QUOTED = b"'"  # stands for a quoted part, of which nothing is shown
OPENERS = b"(`{["  # in an assignment's value: the words that follow may belong to it
LONGEST_PROGRAM_NAME = 40
# Bytes of a name in the kernel (TASK_COMM_LEN); one as long as this may have been cut.
LONGEST_PROCESS_NAME = 15
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


class Connection:
    """One connection's processes, looked at until they show what the login is for."""

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
        self._is_session_own = False
        self._has_terminal = False
        self.served_since: Optional[float] = None  # when the session's server was first seen

    def look(self, now: float) -> "Optional[str]":
        """Return the kind if it shows now, what is certain if the connection is over, None if more may come.

        now: seconds of a clock that runs evenly.
        """
        kind = self._look(now)
        return self._of_what_is_over() if kind == UNKNOWN else kind

    def _look(self, now: float) -> "Optional[str]":
        """Return the kind if it shows now, `unknown` if the connection is over, None if there is more to wait for."""
        if not self._server:
            self._server = self._find_server()
            if not self._server:
                return UNKNOWN if self._is_over() else None
            self._processes.keep(self._server)
            self.served_since = now
        title = self._title_of(self._server)
        if not title:
            return UNKNOWN if self._is_over() else None
        self._title = title
        if not self._has_session():
            return None  # sshd writes a session into the title before it runs anything for it
        if self._opened is None:
            self._opened = now
            self._has_terminal = not title.endswith(b"@notty")
            self._is_session_own = not self._is_over()  # otherwise the title is that of a stranger with the same pid
        kind = self._of_children()
        # Looked at last: had the pid become another's, all that was read above would be of strangers.
        return UNKNOWN if kind and self._is_over() else kind

    def _of_what_is_over(self) -> str:
        """Return what can be said of a connection whose session was over before it had shown what it ran."""
        for server in self._ended_servers():
            for _child, name in self._processes.ended_children(server):
                if name not in SERVERS:
                    return _of_ended(name)
        if not self._is_session_own:
            return UNKNOWN
        return TERMINAL_OVER if self._has_terminal else SOMETHING_OVER

    def _ended_servers(self) -> "List[int]":
        """Return the session's server; if it was over before it was seen, those of the monitor's children it may be.

        A monitor that serves the session itself has children of PAM's as well, which tell nothing of it.
        """
        if self._monitor_start is None or self._server == self._monitor:
            return []
        if self._server:
            return [self._server] if self._is_session_own else []
        if self._processes.start(self._monitor) not in (None, self._monitor_start):
            return []  # a stranger has the pid, and may have had children
        return [child for child, name in self._processes.ended_children(self._monitor) if name in SERVERS]

    def close(self) -> None:
        """Stop looking at it."""
        self._processes.let_go(self._monitor)
        self._processes.let_go(self._server)

    def is_opening(self, now: float, seconds: float) -> bool:
        """Tell whether the client opened a session no longer ago than this: what it runs may show any moment."""
        return self._opened is not None and now - self._opened < seconds

    def last_look(self) -> str:
        """Return what can be said of a connection that has shown nothing in all the time that it had."""
        if self._title and not self._has_session():
            return TUNNEL
        # It stays open, but its session may be over: `ssh -M`.
        return UNKNOWN if self._processes.children(self._server) else self._of_what_is_over()

    def _has_session(self) -> bool:
        """Tell whether the server's title has a terminal, `@pts/0`, or `@notty`. A user's name may itself hold an @."""
        title = self._title[len(self._user) :] if self._title.startswith(self._user) else self._title
        return b"@" in title

    def _is_over(self) -> bool:
        return self._monitor_start is None or self._processes.start(self._monitor) != self._monitor_start

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
        for child in self._processes.children(self._server):
            kind = self._of_child(child)
            if kind:
                return kind
        return None

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


def _of_ended(name: bytes) -> str:
    """Return what the name alone of a process that has ended says: a command's, and never that it was a transfer.

    A process chooses its name, of which the kernel keeps 15 bytes.
    """
    if name in TRANSFER_NAMES:
        return SOMETHING_OVER
    # A shell has run a builtin of its own, or what is not there.
    return COMMAND_OVER if name in SHELLS or len(name) >= LONGEST_PROCESS_NAME else _command(name)


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
