# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of a login, from a command line or a program's arguments.

A line is a transfer only if a client of that transfer sends it. Every other line is a command. So there is one closed
grammar for words that mean the same in bash, dash, zsh, fish and tcsh, and one for the arguments of each server:

    scp          scp.c of OpenSSH, of PuTTY (pscp), libssh, libssh2: `scp -r -p -d -t -- PATH`
    sftp-server  sftp-server(8), as sshd_config's Subsystem starts it
    rsync        options.c of rsync 2.6.9 to 3.5.0, server_options() and safe_arg(): `rsync --server -vre.iLsf . PATH`
    git          connect.c and quote.c of git, sq_quote_buf(), which JGit, libgit2 and go-git imitate

A program's name is shown, but never its arguments, which may contain a secret.
"""

from .login_types import COMMAND, COMMAND_OVER, GIT, RSYNC, SCP, SFTP_OR_SCP, SOMETHING_OVER
from .processes import CUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

# The longest line that can be a transfer. A path has at most 4096 bytes (PATH_MAX), and rsync can name many paths.
LONGEST_LINE_BYTES = 1 << 14
LONGEST_PROGRAM_NAME = 40
# The bytes of a process's name in the kernel (TASK_COMM_LEN). A name of this length may be truncated.
LONGEST_PROCESS_NAME = 15
# A script is the second or, if its first line gives the interpreter an argument, the third word (execve(2)).
MOST_OF_SCRIPT = 3

SHELLS = (b"sh", b"bash", b"rbash", b"dash", b"ash", b"zsh", b"ksh", b"mksh", b"csh", b"tcsh", b"fish", b"git-shell")
SYSTEM_DIRECTORIES = (b"/usr/bin", b"/bin", b"/usr/local/bin")
# Where the distributions and OpenSSH's own Makefile install it: /usr/lib/openssh (Debian, with a link in /usr/lib),
# /usr/libexec/openssh (RHEL), /usr/lib/ssh (openSUSE, Arch, Alpine), /usr/lib64/misc (Gentoo), /usr/libexec (Void) and
# others. Root owns them all. In any other directory it is a user's own program, unless sshd is configured to run it.
SFTP_SERVER_DIRECTORIES = tuple(
    prefix + libraries + place
    for prefix in (b"", b"/usr", b"/usr/local")
    for libraries in (b"/lib", b"/lib64", b"/libexec")
    for place in (b"/openssh", b"", b"/ssh", b"/misc")
)
GIT_DIRECTORIES = (b"/usr/lib/git-core", b"/usr/libexec/git-core")
GIT_PROGRAMS = (b"git-upload-pack", b"git-receive-pack", b"git-upload-archive")
TRANSFER_PROGRAMS = (b"scp", b"sftp-server", b"rsync", b"git", b"git-shell", *GIT_PROGRAMS)
TRANSFER_NAMES = tuple(program[:LONGEST_PROCESS_NAME] for program in TRANSFER_PROGRAMS)

EXEC = b"exec "

# The words of a line.
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = b"0123456789"
PLAIN = LETTERS + DIGITS + b"_./+-:,%@=~"
# At the beginning of a word, zsh replaces =NAME, and older versions of fish replace %NAME.
NOT_FIRST = b"=%"
# After one of these, bash expands a tilde in some words, and other shells do not.
BEFORE_NO_TILDE = b"=:"
ESCAPABLE = b" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
# A shell may replace a word that contains one of these by file names, or by several words.
EXPANDED = b"{}*?[]"
# Marks such a byte in the result. No argument contains NUL.
EXPANDS = b"\0"
# Shells differ about these within quotes: csh expands an exclamation mark, fish interprets a backslash.
NOT_QUOTED = {b"'": b"\\!", b'"': b"\\!$`"}
LAST_ASCII = 127

# The options that clients pass to scp's server. None of them takes a value, which could hide another option.
SCP_FLAGS = b"vrpdq"
SCP_MODES = b"tf"
SFTP_SERVER_FLAGS = b"eR"
SFTP_SERVER_VALUED = (b"-d", b"-f", b"-l", b"-P", b"-p", b"-u")
# Not -s: with secluded arguments, all other options come later over the connection, where they can't be seen.
RSYNC_LETTERS = b"vqbunldKmOJyLkWHogDtUNpEAXrcCIRxSz"
RSYNC_FLAGS = frozenset(
    b"""
    --sender --list-only --no-r --no-specials --specials --devices --msgs2stderr --no-msgs2stderr --new-compress
    --old-compress --delete --delete-before --delete-during --delete-delay --delete-after --delete-excluded --force
    --only-write-batch=X --super --size-only --stats --delete-missing-args --ignore-missing-args --delay-updates
    --partial --ignore-errors --copy-unsafe-links --safe-links --numeric-ids --use-qsort --ignore-existing --existing
    --fsync --fuzzy --append --inplace --no-W --from0 --no-relative --no-implied-dirs --write-devices
    --remove-source-files --remove-sent-files --copy-devices --preallocate --open-noatime --mkpath --files-from=-
    --log-format=%i%I --log-format=%i --log-format=%o --log-format=X --fake-super
    """.split()
)
RSYNC_NUMBERS = (
    b"-B",
    b"-@",
    b"--compress-level=",
    b"--timeout=",
    b"--bwlimit=",
    b"--max-delete=",
    b"--modify-window=",
    b"--checksum-seed=",
)
RSYNC_VALUES = (
    b"--iconv=",
    b"--suffix=",
    b"--checksum-choice=",
    b"--compress-choice=",
    b"--skip-compress=",
    b"--max-alloc=",
    b"--min-size=",
    b"--max-size=",
    b"--usermap=",
    b"--groupmap=",
    b"--info=",
    b"--debug=",
    b"--log-file=",
)
RSYNC_SPLIT_VALUES = (
    b"--backup-dir",
    b"--partial-dir",
    b"--temp-dir",
    b"--compare-dest",
    b"--copy-dest",
    b"--link-dest",
    b"--files-from",
    b"--min-size",
    b"--max-size",
    b"--max-alloc",
)

# Programs that run another one: flags, letters that take a value, beginnings of long options, number of operands.
WRAPPERS: "Dict[bytes, Tuple[bytes, bytes, Tuple[bytes, ...], int]]" = {
    b"exec": (b"cl", b"a", (), 0),
    b"command": (b"p", b"", (), 0),
    b"env": (b"i0", b"uC", (b"--ignore-environment", b"--unset=", b"--chdir="), 0),
    b"nohup": (b"", b"", (), 0),
    b"setsid": (b"cfw", b"", (b"--wait", b"--ctty", b"--fork"), 0),
    b"nice": (DIGITS, b"n", (b"--adjustment=",), 0),
    b"ionice": (b"t", b"cn", (b"--class=", b"--classdata=", b"--ignore"), 0),
    b"stdbuf": (b"", b"ioe", (b"--input=", b"--output=", b"--error="), 0),
    b"time": (b"p", b"", (), 0),
    b"timeout": (b"fv", b"ks", (b"--signal=", b"--kill-after=", b"--preserve-status", b"--foreground"), 1),
    b"sudo": (b"AbEHinPSks", b"CDghpRTrtu", (b"--user=", b"--group=", b"--preserve-env", b"--non-interactive"), 0),
    b"doas": (b"n", b"uC", (), 0),
}
TAKES_ASSIGNMENTS = (b"env", b"sudo")
DURATION_UNITS = b"smhd"
# Commands that only prepare the main command of a line, or end the line.
PREPARATIONS = (b":", b"cd", b"export", b"unset", b"set", b"umask", b"ulimit", b"exit")
# How many nested wrappers and shells, and how many words before the program, are read.
DEEPEST = 4
MOST_WORDS = 32
# How much of a line is searched for its program's name.
NAMED_BYTES = 1 << 13
BLANKS = b" \t"
SEPARATORS = b";&|\n()"
OPERATORS = b";&|\n(`"
# If a word contains one of these, another shell may split it or the rest of the line differently.
OPENERS = b"(`{["
REDIRECTIONS = b"<>"
UNCLEAR = b"`"
AND_MORE = " and more"


def classify_command(line: bytes) -> str:
    """Return the type of a command line as the client sent it, or as sshd's configuration forces it."""
    # A forced command may begin with `exec`, which means the same in every shell. Clients write the program's name
    # without quotes or escapes.
    run = line[len(EXEC) :] if line.startswith(EXEC) else line
    if _base(run.partition(b" ")[0]) in TRANSFER_PROGRAMS:
        words = plain_words(run)
        transfer = _transfer(words) if words else None
        if transfer:
            return transfer
    return _shown(*_program_of_line(line, DEEPEST))


def classify_program(arguments: "List[bytes]", executable: bytes, name: bytes = b"") -> str:
    """Return the type of a process that has replaced the shell.

    executable: the file that it runs (proc(5), exe), empty if that can't be read. A process can choose its arguments,
    but not its executable.
    name: the process's name (proc(5), comm). For a script it is the name of the script, not of its interpreter.
    """
    transfer = _transfer(arguments) if CUT not in arguments[-1] else None
    if transfer and (not executable or _is_file_of(arguments[0], executable)):
        return transfer
    if name and _name_of_process(arguments[0]) != name:
        script = next((word for word in arguments[1:MOST_OF_SCRIPT] if _name_of_process(word) == name), None)
        if script is not None:
            return _shown(script, False)
    return _shown(*_program(arguments[:MOST_WORDS], DEEPEST))


def classify_ended(name: bytes) -> str:
    """Return the type of an ended process by its name alone: a command, never a transfer.

    A process can choose its name.
    """
    if name in TRANSFER_NAMES:
        return SOMETHING_OVER
    # The shell ran a builtin, or a command that does not exist.
    return COMMAND_OVER if name in SHELLS or len(name) >= LONGEST_PROCESS_NAME else _shown(name, False)


def _name_of_process(path: bytes) -> bytes:
    """Return the name of a process that runs this file (prctl(2), PR_SET_NAME)."""
    return _base(path)[:LONGEST_PROCESS_NAME]


def _is_file_of(program: bytes, file: bytes) -> bool:
    """Return whether this file is a server of that name. All git servers are the same file."""
    directory, _slash, runs = file.rpartition(b"/")
    asked = _base(program)
    is_git = asked == b"git" or asked in GIT_PROGRAMS
    trusted = SYSTEM_DIRECTORIES + SFTP_SERVER_DIRECTORIES + (GIT_DIRECTORIES if is_git else ())
    return directory in trusted and (runs == asked or (is_git and runs == b"git"))


def plain_words(line: bytes) -> "Optional[List[bytes]]":
    """Return the words of a line that bash, dash, zsh, fish and tcsh read alike, None for any other line.

    EXPANDS precedes a byte that a shell may expand. No word begins with it, so the beginning of a word is certain.
    """
    if len(line) > LONGEST_LINE_BYTES or not _is_text(line):
        return None
    words: List[bytes] = []
    word: Optional[bytes] = None
    position = 0
    while position < len(line):
        if line[position : position + 1] == b" ":
            words += [word] if word is not None else []
            word = None
            position += 1
            continue
        meaning, end = _meaning_at(line, position, is_first=not word)
        if not end:
            return None
        word = (word or b"") + meaning
        position = end
    return words if word is None else [*words, word]


def _is_text(line: bytes) -> bool:
    """Return whether all characters are printable: no control characters, and no Unicode blank but the space."""
    try:
        return line.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _meaning_at(line: bytes, position: int, is_first: bool) -> "Tuple[bytes, int]":
    """Return the meaning of a byte, or of the quoted text or the escape that begins with it, and where it ends.

    is_first: whether it begins the word. The end is 0 if shells disagree, or if it is more than a part of a word.
    """
    byte = line[position : position + 1]
    end = position + 1
    if byte in NOT_QUOTED:
        end = line.find(byte, end) + 1
        meaning = line[position + 1 : end - 1]
        return meaning, 0 if any(other in meaning for other in NOT_QUOTED[byte]) else end
    if byte == b"\\":
        meaning = line[end : end + 1]
        # In Shift-JIS, Big5 and GBK, a backslash can be the second byte of a character.
        is_half = position > 0 and line[position - 1] > LAST_ASCII
        return meaning, end + 1 if meaning and meaning in ESCAPABLE and not is_half else 0
    if byte in EXPANDED:
        return EXPANDS + byte, 0 if is_first else end
    before = line[position - 1 : position] if position else b""
    if byte == b"~" and (before in BEFORE_NO_TILDE if not is_first else not _is_home(line[end : end + 1])):
        return byte, 0
    if is_first and byte in NOT_FIRST:
        return byte, 0
    return byte, end if byte in PLAIN or byte[0] > LAST_ASCII else 0


def _is_home(following: bytes) -> bool:
    """Return whether a tilde before this text means a home directory. `~+` and `~[x]` do not."""
    return following in (b"", b" ", b"/", b"_") or following.isalnum()


def _transfer(words: "List[bytes]") -> "Optional[str]":
    """Return the type of the server with this name and these arguments, None for anything else."""
    directory, slash, program = words[0].rpartition(b"/")
    arguments = words[1:]
    if program == b"sftp-server" and directory in SFTP_SERVER_DIRECTORIES:
        return SFTP_OR_SCP if _is_sftp_server(arguments) else None
    if slash and directory not in SYSTEM_DIRECTORIES:
        return None
    if program == b"scp" and _is_scp_server(arguments):
        return SCP
    if program == b"rsync" and _is_rsync_server(arguments):
        return RSYNC
    if program == b"git-shell" and arguments[:1] == [b"-c"] and len(arguments) == 2:
        inner = plain_words(arguments[1])
        is_git = inner and _base(inner[0]) != b"git-shell" and _transfer(inner) == GIT
        return GIT if is_git else None
    if program == b"git" and arguments:
        program, arguments = b"git-" + arguments[0], arguments[1:]
    # One path and no option: --help would open a manual in a program that can start a shell.
    if program in GIT_PROGRAMS and len(arguments) == 1 and _is_value(arguments[0]):
        return GIT
    return None


def _is_path(word: bytes) -> bool:
    return word[:1] != b"-"


def _is_value(word: bytes) -> bool:
    """Return whether this certainly stays one word, and is not an option."""
    return word != b"" and _is_path(word) and EXPANDS not in word


def _is_scp_server(words: "List[bytes]") -> bool:
    """Return whether this is a server, `scp -p -t DIRECTORY`: a client can run any program with `scp -S PROGRAM`."""
    modes = 0
    position = 0
    while position < len(words) and words[position][:1] == b"-" and words[position] != b"--":
        flags = words[position][1:]
        if not flags or flags.strip(SCP_FLAGS + SCP_MODES):
            return False
        modes += sum(flag in SCP_MODES for flag in flags)
        position += 1
    paths = words[position:]
    ends_options = paths[:1] == [b"--"]
    return modes == 1 and len(paths) > ends_options and (ends_options or all(map(_is_path, paths)))


def _is_sftp_server(words: "List[bytes]") -> bool:
    position = 0
    while position < len(words):
        option = words[position]
        if option in SFTP_SERVER_VALUED:
            position += 1
            if position == len(words) or not _is_value(words[position]):
                return False
        elif option[:1] != b"-" or not option[1:] or option[1:].strip(SFTP_SERVER_FLAGS):
            return False
        position += 1
    return True


def _is_rsync_server(words: "List[bytes]") -> bool:
    """Return whether a client sends these options to transfer files, and they do nothing else.

    A daemon runs programs that its configuration names (rsyncd.conf(5), pre-xfer exec), and the client can choose that
    configuration.
    """
    if words[:1] != [b"--server"]:
        return False
    position = 1
    while position < len(words) and words[position] != b".":
        option = words[position]
        if option in RSYNC_SPLIT_VALUES:
            position += 1
            if position == len(words) or not _is_value(words[position]):
                return False
        elif not _is_rsync_option(option):
            return False
        position += 1
    return position < len(words) and all(map(_is_path, words[position:]))


def _is_rsync_option(option: bytes) -> bool:
    if option in RSYNC_FLAGS or option.startswith(RSYNC_VALUES):
        return True
    number = next((option[len(start) :] for start in RSYNC_NUMBERS if option.startswith(start)), b"")
    if number.lstrip(b"-").isdigit():
        return True
    # The client's capabilities follow an e: `e.iLsfxCIvu`, or `e31.2iLsfx` for an unreleased version.
    letters, has_capabilities, capabilities = option[1:].partition(b"e")
    is_one_word = option[:1] == b"-" and option[1:] != b"" and not letters.strip(RSYNC_LETTERS)
    return is_one_word and (not has_capabilities or _are_capabilities(capabilities))


def _are_capabilities(text: bytes) -> bool:
    version, dot, letters = text.partition(b".")
    return bool(dot) and not version.strip(DIGITS) and not letters.strip(LETTERS + DIGITS)


def _base(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _shown(path: bytes, more: bool) -> str:
    """Return the type that names a program, or a command without a name if the name is not plain enough."""
    if not _is_showable(path):
        return COMMAND
    return "SSH (command: {}{})".format(_base(path).decode("ascii"), AND_MORE if more else "")


def _is_showable(path: bytes) -> bool:
    name = _base(path)
    is_plain = name.translate(None, b"._+-").isalnum() and name[:1] not in (b"-", b"+")
    return is_plain and len(name) <= LONGEST_PROGRAM_NAME and not any(opener in path for opener in OPENERS)


def _program_of_line(line: bytes, deepest: int) -> "Tuple[bytes, bool]":
    """Return the main program of a line, empty if unclear, and whether the line runs other programs as well."""
    commands, more = _commands(line[:NAMED_BYTES])
    more = more or CUT in line or any(operator in line[NAMED_BYTES:] for operator in OPERATORS)
    main = [number for number, command in enumerate(commands) if not _is_preparation(command)]
    # After an unclear word, one shell may read a command where another reads text.
    unclear = [number for number, command in enumerate(commands) if any(map(_is_unclear, command))]
    chosen = min(main[:1] + unclear[:1]) if main else 0
    words = [_meaning(word) for word in _without_assignments(commands[chosen])[:MOST_WORDS]] if commands else []
    more = more or any(number != chosen for number in main)
    if not words:
        return b"", more
    program, inner_more = _program(words, deepest)
    return program, more or inner_more


def _program(words: "List[bytes]", deepest: int) -> "Tuple[bytes, bool]":
    """Return the program that these words run in the end, and whether it is one of several."""
    for left in range(deepest, 0, -1):
        if _base(words[0]) in SHELLS and len(words) > 2 and _is_command_option(words[1]):
            program, more = _program_of_line(words[2], left - 1)
            return (program, more) if _is_showable(program) else (words[0], more)
        inner = _unwrapped(words)
        if not inner or not _is_showable(inner[0]):
            break
        words = inner
    return words[0], False


def _is_command_option(word: bytes) -> bool:
    """Return whether a shell reads the next word as a command line: `-c`, `-lc`."""
    return word[:1] == b"-" and word[-1:] == b"c" and not word[1:].strip(b"ceilux")


def _unwrapped(words: "List[bytes]") -> "List[bytes]":
    """Return the program and arguments that `sudo -u USER` or another wrapper runs; an empty list if unclear."""
    name = _base(words[0])
    if name not in WRAPPERS:
        return []
    flags, valued, long_options, operands = WRAPPERS[name]
    rest = _without_options(words[1:], flags, valued, long_options)
    if operands:
        rest = rest[1:] if rest and _is_duration(rest[0]) else []
    if name in TAKES_ASSIGNMENTS:
        rest = _without_assignments(rest)
    return [] if any(map(_is_unclear, words[1 : len(words) - len(rest)])) else rest


def _without_options(
    words: "List[bytes]", flags: bytes, valued: bytes, long_options: "Tuple[bytes, ...]"
) -> "List[bytes]":
    """Return the words after the options; an empty list if an option is unknown, because it may take a value."""
    position = 0
    while position < len(words) and words[position][:1] == b"-":
        option = words[position]
        position += 1
        if option == b"--":
            break
        letters = option[1:].lstrip(flags)
        is_known = option.startswith(long_options) if option[:2] == b"--" else letters[:1] in valued
        if not is_known:
            return []
        if len(letters) == 1:
            position += 1  # the value is the next word
    return words[position:]


def _is_duration(word: bytes) -> bool:
    return word.rstrip(DURATION_UNITS).replace(b".", b"", 1).isdigit()


def _without_assignments(words: "List[bytes]") -> "List[bytes]":
    """Return the words from the program's name on. NAME=VALUE before it is left out, because it may contain a secret.
    After an unclear assignment, return an empty list."""
    for position, word in enumerate(words):
        name, assigns, _value = word.partition(b"=")
        if not assigns or not name.replace(b"_", b"").isalnum():
            return words[position:]
        if _is_unclear(word):
            return []
    return []


def _is_preparation(words: "List[bytes]") -> bool:
    """Return whether a command only prepares another one, such as `cd /srv` and `NAME=VALUE`."""
    program = _without_assignments(words)
    return not program or program[0] in PREPARATIONS


def _is_unclear(word: bytes) -> bool:
    return any(byte in word for byte in OPENERS + REDIRECTIONS)


def _meaning(word: bytes) -> bytes:
    """Return a word without its quotes if all shells agree about it, else the unchanged word."""
    words = plain_words(word)
    return words[0] if words and len(words) == 1 and EXPANDS not in words[0] else word


def _commands(line: bytes) -> "Tuple[List[List[bytes]], bool]":
    """Return the commands of a line, each as a list of words with their quotes, and whether they run others inside.

    This follows the POSIX shell (Shell Command Language, 2.2 and 2.3). If another shell could differ, UNCLEAR is added
    to the word. The result is used only to find names. plain_words and _transfer decide what is a transfer.
    """
    commands: List[List[bytes]] = []
    words: List[bytes] = []
    word = b""
    position = 0
    while position < len(line):
        piece, end = _piece(line, position)
        if not end or (piece == b"(" and word):  # a substitution, or syntax that only some shells have
            rest = line[position:]
            commands.append([*words, word + UNCLEAR])
            return commands, any(operator in rest for operator in OPERATORS)
        is_end = piece in SEPARATORS and not _is_redirection(piece, word, line[end : end + 1])
        if is_end or piece in BLANKS:
            words += [word] if word else []
            word = b""
            if is_end:
                commands += [words] if words else []
                words = []
        else:
            word += piece
        position = end
    words += [word] if word else []
    return ([*commands, words] if words else commands), False


def _is_redirection(piece: bytes, word: bytes, following: bytes) -> bool:
    """Return whether an ampersand is part of `2>&1` or `&>FILE`."""
    return piece == b"&" and (word[-1:] in (b"<", b">") or following == b">")


def _piece(line: bytes, position: int) -> "Tuple[bytes, int]":
    """Return a byte, or the quoted text or the escape that begins with it, and where it ends.

    The end is 0 if there is none, or if the byte begins a substitution or something that only some shells know.
    """
    byte = line[position : position + 1]
    following = line[position + 1 : position + 2]
    if byte == b"\\":
        return byte + following, position + 2
    if byte == b"`" or (byte == b"$" and following in (b"'", b'"')):
        return byte, 0
    if byte == b"'":
        end = line.find(byte, position + 1) + 1
    elif byte == b'"':
        end = _end_of_double_quotes(line, position + 1)
    else:
        return byte, position + 1
    text = line[position:end]
    # fish ends quoted text elsewhere if it contains a backslash, and csh expands an exclamation mark.
    return text + (UNCLEAR if b"\\" in text or b"!" in text else b""), end


def _end_of_double_quotes(line: bytes, position: int) -> int:
    """Return where a text in double quotes ends; 0 if it has no end, or if it contains a substitution."""
    start = position
    while position < len(line):
        byte = line[position : position + 1]
        if byte == b'"':
            text = line[start:position]
            return position + 1 if b"$(" not in text and text.count(b"${") <= text.count(b"}") else 0
        if byte == b"`":
            return 0
        position += 2 if byte == b"\\" else 1
    return 0
