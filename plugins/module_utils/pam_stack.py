# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notifier's rules in the session part of a PAM service: text in, text out.

This module opens no file. It reads the text of a service as libpam does (``pam.conf(5)``; libpam's ``pam_handlers.c``
and ``pam_misc.c``; Debian's ``@include``). An edit adds or removes whole lines and changes no other byte.

The notifier has three rules. They form one block, which is added, moved, checked and removed as a whole:

1. Run the program. If it succeeds, skip the other two rules (``pam.conf(5)``: ``success=2``).
2. Replace the value of ``SSH_AUTH_INFO_0`` with a short word. sshd puts the user's whole key or certificate into it,
   and Linux refuses a variable of more than 128 KiB (``execve(2)``: ``MAX_ARG_STRLEN``). Users can make larger ones.
3. Run the program again.

Where the block goes:

* First in the session part, before everything that reads the user's environment or moves the process into the user's
  session or SELinux context.
* Only a leading ``pam_selinux.so close`` stays in front of it, as ``pam_selinux(8)`` requires.
"""

import re
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

# Reads an included file: takes the name in the stack, and returns (path, text), or None if there is no such file.
Reader = Callable[[str], Optional[Tuple[str, str]]]

# libpam splits only at these. A carriage return is part of the word before it.
BLANKS = " \t\n"
OPTIONS = ("type=open_session", "quiet", "seteuid")
# The file that the second rule reads (pam_env.conf(5)). Its path contains the program's name, so a search for that name
# finds all three rules.
WITHHOLDING = "conffile=/usr/local/lib/ssh-login-notify/pam_env.conf"
# Controls after which libpam continues with the next rule if the module succeeds.
PLAIN_CONTROLS = ("required", "requisite", "optional")
INCLUDE_CONTROLS = ("include", "substack")

# Tools that write whole files, with patterns for their names in headers. pam-auth-update is not among them: it writes
# files that others include.
TOOLS = {
    "Ansible": "ansible", "Puppet": "puppet", "Chef": "chef|cinc", "Salt": "salt(?:stack)?(?:-minion)?",
    "CFEngine": "cfengine|cf-agent", "authselect": "authselect", "authconfig": "authconfig", "pam-config": "pam-config",
    "Foreman": "foreman", "Rudder": "rudder", "Bcfg2": "bcfg2", "cloud-init": "cloud-init",
}  # type: Dict[str, str]  # fmt: skip
_DONE = (
    r"\b(?:managed|maintained|controlled|(?:auto-?)?generated|written|created|rendered|templated|deployed|configured"
    r"|installed|provisioned|handled|owned|distributed|promised)"
)
# "managed by our Puppet"; "under the control of Salt", "under Salt's control"; "Ansible-managed", "Chef manages this".
_HEADERS = (
    _DONE + r"\W+(?:\w+ )?(?:[-0-9: +]+ )?(?:by|with|via|using|from|through)\W+(?:\w+ ){{0,3}}?(?:{tool})\b",
    r"\bunder (?:the )?(?:control|management) of (?:\w+ ){{0,2}}?(?:{tool})\b",
    r"\bunder (?:{tool})(?:'s)? (?:control|management)\b",
    r"\b(?:{tool})[\W_]+(?:is[\W_]+)?(?:managed|maintained|controlled|generated|template|controls|manages|generates"
    r"|maintains|owns|writes|deploys|overwrites)\b",
)
MANAGED = {
    name: re.compile("|".join(_HEADERS).format(tool=spelling), re.IGNORECASE) for name, spelling in TOOLS.items()
}
NOT_MANAGED = re.compile(r"\b(?:not|never|no longer|isn't) (?:be |being |yet )?" + _DONE, re.IGNORECASE)
# Headers that don't name a tool.
NAMELESS = re.compile(
    r"\b(?:do not|don't|never) (?:edit|modify|change|touch|alter)\b"
    r"|\bauto(?:matically|-)? ?(?:generated|managed|created)\b"
    r"|\b(?:changes|edits|modifications)\b.*\b(?:will|may|can|might) be (?:lost|over\w+|destroyed|discarded|reverted"
    r"|removed|erased|undone)\b",
    re.IGNORECASE,
)
OF_INCLUDED_FILES = re.compile(r"\bpam-auth-update\b")
# Words in the first and the last line of a block that a tool manages within a file: Ansible's blockinfile ("BEGIN
# ANSIBLE MANAGED BLOCK"), Salt's file.blockreplace ("#-- start managed zone --").
BLOCK_MARKS = (
    ("begin", "end"), ("begins", "ends"), ("beginning", "end"), ("start", "end"), ("start", "stop"), ("open", "close"),
    ("first", "last"), (">>>", "<<<"),
)  # fmt: skip


class PamStackError(Exception):
    """The stack or an argument can't be used. The message says why, and what to do."""


class Rule(NamedTuple):
    """One rule of a stack. It may span several physical lines."""

    start: int
    """Index of its first physical line."""
    end: int
    """Index after its last physical line."""
    words: List[str]
    """Its words as libpam splits them, without the brackets of ``[...]``."""
    defect: Optional[str]
    """Why it is not certain where the rule ends, or None."""

    @property
    def facility(self) -> str:
        """``auth``, ``account``, ``password``, ``session`` or ``@include``, in lower case; ``""`` if there is none."""
        word = self.words[0] if self.words else ""
        return (word[1:] if word.startswith("-") else word).lower()

    @property
    def control(self) -> str:
        return self.words[1].lower() if len(self.words) > 1 else ""

    @property
    def module(self) -> str:
        """File name of the module, without its directory."""
        return self.words[2].rsplit("/", 1)[-1] if len(self.words) > 2 else ""

    @property
    def arguments(self) -> List[str]:
        return self.words[3:]

    @property
    def included(self) -> Optional[str]:
        """Name of the file that this rule includes, ``""`` if it names none, None if the rule is not an include."""
        if self.facility == "@include":
            return self.words[1] if len(self.words) > 1 else ""
        if self.control in INCLUDE_CONTROLS:
            return self.words[2] if len(self.words) > 2 else ""
        return None

    @property
    def jump(self) -> int:
        """The largest number of rules that this one may skip, 0 for none."""
        return max([int(number) for number in re.findall(r"=\s*([0-9]{1,9})", self.control)] or [0])


def decode(data: bytes) -> str:
    """Return the bytes of a PAM file as text. ``encode`` returns exactly these bytes, whatever their encoding."""
    if re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", data):
        raise PamStackError("it contains control characters, so it is not text. Restore the file from its package.")
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def rule_lines(program: str) -> List[str]:
    """Return the lines, without line ends, that run ``program`` when a session opens.

    They can't refuse a login: libpam ignores each failure, and treats a missing module as a failure. The options of
    ``pam_env.so`` are explicit because their defaults differ between versions of Linux-PAM.
    Raises PamStackError if the program's path can't be used in a PAM line.
    """
    check_program(program)
    run = " ".join(["pam_exec.so", *OPTIONS, program])
    return [
        "session [success=2 default=ignore] " + run,
        f"session [default=ignore] pam_env.so {WITHHOLDING} readenv=0 user_readenv=0",
        "session optional " + run,
    ]


def check_program(program: str) -> None:
    # pam_exec passes the words to execve(2) unchanged. Quoting is possible, but not worth the risk here.
    if not re.match(r"/[^\s#\[\]\\\x00-\x1f\x7f]+\Z", program):
        raise PamStackError(
            f"{program!r} can't be the program of a PAM line."
            " Use an absolute path without blanks, brackets, # and backslashes."
        )


def present(text: str, program: str, replaces: Iterable[str] = (), read: Optional[Reader] = None) -> str:
    """Return ``text`` with the rules that run ``program``: once, as ``rule_lines`` writes them, and in the right place.

    Removes other session rules that run ``program`` or one of ``replaces``. Each new rule ends with a plain line feed,
    even in a file with CRLF, because libpam would read the carriage return as part of the program's name.
    Raises PamStackError if the edit could keep users from logging in.
    """
    lines = rule_lines(program)
    stack = _Stack(text, read)
    ours = stack.ours(program, replaces)
    others = [rule for rule in stack.rules if rule not in ours]
    if not any(stack.adds_session_rules(rule) for rule in others):
        raise PamStackError(
            "it has no other session rules, and optional rules alone can refuse every login."
            " Restore the file from its package, or add a rule such as 'session required pam_permit.so' to it."
        )
    if stack.fault(ours, lines) is None:
        return text
    stack.check_extents()
    rest = stack.without(ours, lines)
    return _Stack(rest, read).with_lines(lines)


def absent(text: str, program: str, replaces: Iterable[str] = (), read: Optional[Reader] = None) -> str:
    """Return ``text`` without session rules that run ``program`` or one of ``replaces``: undo ``present`` exactly."""
    lines = rule_lines(program)
    stack = _Stack(text, read)
    ours = stack.ours(program, replaces)
    if not ours:
        return text
    stack.check_extents()
    if not any(stack.adds_session_rules(rule) for rule in stack.rules if rule not in ours):
        raise PamStackError(
            "it has no other session rules. Without any, PAM uses those of the service 'other', which may refuse every"
            " login. Restore the file from its package, or add a rule such as 'session required pam_permit.so' to it."
        )
    return stack.without(ours, lines)


def fault(text: str, program: str, read: Optional[Reader] = None) -> Optional[str]:
    """Return what is wrong with the rules that run ``program``, such as ``is gone``, or None."""
    stack = _Stack(text, read)
    return stack.fault(stack.ours(program, ()), rule_lines(program))


def find(text: str, program: str) -> Optional[str]:
    """Return the last session rule that runs ``program``, exactly as in ``text`` but without its line end, or None.

    The last one skips nothing. So in a stack that contains only this rule, the session fails if the program fails.
    """
    stack = _Stack(text, None)
    running = stack.running(program, ())
    return "".join(stack.lines[running[-1].start : running[-1].end]).rstrip("\n") if running else None


def commands(text: str) -> List[List[str]]:
    """Return the commands that session rules run through ``pam_exec.so``, in order, each as its words."""
    rules = [rule for rule in parse(text) if rule.facility == "session" and rule.module == "pam_exec.so"]
    return [command for command in map(_command, rules) if command]


def user_environment_readers(path: str, text: str, read: Optional[Reader] = None) -> List[Dict[str, object]]:
    """Return every ``pam_env.so`` with ``user_readenv=1`` in the auth and session parts of a stack and its includes.

    Each is ``{"file": path, "line": number from 1, "part": "auth" or "session"}``, in the order of the files.
    """
    found = []  # type: List[Dict[str, object]]
    for part in ("auth", "session"):
        for file, rule in _rules_of_part(path, text, part, read or _no_file, set()):
            if rule.module == "pam_env.so" and _reads_user_environment(rule.arguments):
                found.append({"file": file, "line": rule.start + 1, "part": part})
    return found


def pam_env_arguments(path: str, text: str, read: Optional[Reader] = None) -> List[str]:
    """Return the arguments of every ``pam_env.so`` in the auth and session parts of a stack and its includes."""
    found = []  # type: List[str]
    for part in ("auth", "session"):
        for _file, rule in _rules_of_part(path, text, part, read or _no_file, set()):
            if rule.module == "pam_env.so":
                found.extend(rule.arguments)
    return found


def written_by(text: str) -> Optional[str]:
    """Return the comment, without its ``#``, which says that a tool manages the file, or None if there is none.

    A comment that marks a block of lines counts only if our rules are in that block.
    """
    comments = _comments(_physical_lines(text))
    ours = next((rule.start for rule in parse(text) if _is_withholding(rule)), len(comments))
    for first, last in _blocks(comments):
        if first < ours < last and _tool_in(comments[first]):
            return comments[first]
        comments[first] = comments[last] = ""
    # A sentence may continue in the next line. A header that names a tool is preferred.
    said = [*comments, *(f"{one} {other}" for one, other in zip(comments, comments[1:]) if one and other)]
    said = [comment for comment in said if not OF_INCLUDED_FILES.search(comment)]
    return next(filter(_tool_in, said), next(filter(NAMELESS.search, said), None))


def tool_of(comment: str) -> str:
    """Return the tool that a comment from ``written_by`` names, or ``another tool`` if it names none."""
    return _tool_in(comment) or "another tool"


def parse(text: str) -> List[Rule]:
    """Return the rules of a PAM file in order. Never raises: a line that libpam would reject becomes an odd rule."""
    lines = _physical_lines(text)
    rules = []
    index = 0
    while index < len(lines):
        start = index
        body, continued = _body(lines[index])
        index += 1
        if not body.strip(BLANKS) and not continued:
            continue
        defect = None
        while continued and defect is None:
            if index >= len(lines):
                defect = f"line {index} ends in a backslash, but nothing follows it"
                break
            more, continued = _body(lines[index])
            if not more.strip(BLANKS) and not continued:
                # Up to 1.6, libpam skips this line and continues with the next one. Since 1.7, the rule ends here.
                defect = f"line {index} ends in a backslash, but a blank line or a comment follows it"
                break
            body += more
            index += 1
        rules.append(Rule(start, index, _words(body), defect))
    return rules


# -- how libpam reads lines -------------------------------------------------------------------------------------------


def _physical_lines(text: str) -> List[str]:
    """Return the lines with their line feeds. splitlines() would also split at characters that libpam does not."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def _body(line: str) -> Tuple[str, bool]:
    """Return a physical line without its comment, and whether the next line continues it. A comment ends a rule."""
    if "#" in line:
        return line.split("#", 1)[0], False
    stripped = line.rstrip(BLANKS)
    if stripped.endswith("\\"):
        return stripped[:-1] + " ", True
    return stripped, False


def _words(body: str) -> List[str]:
    """Split words as libpam does: at blanks, except that ``[...]`` is one word, in which ``\\]`` means ``]``."""
    words = []
    for match in re.finditer(r"\[((?:\\\]|[^\]])*)\]?|[^ \t\n]+", body):
        bracketed = match.group(1)
        words.append(match.group(0) if bracketed is None else bracketed.replace("\\]", "]"))
    return words


def _comments(lines: List[str]) -> List[str]:
    """Return the comment of each line without its decoration, ``""`` for a line without a comment."""
    return [line.partition("#")[2].strip("# \t\r\n*=") for line in lines]


def _tool_in(comment: str) -> Optional[str]:
    if NOT_MANAGED.search(comment):
        return None
    return next((name for name, header in MANAGED.items() if header.search(comment)), None)


def _blocks(comments: List[str]) -> Iterator[Tuple[int, int]]:
    """Yield the first and the last line of each block. Their comments differ only in the word that marks the block."""
    lowered = [comment.lower() for comment in comments]
    for first, comment in enumerate(lowered):
        ends = {re.sub(rf"(?<!\w){begin}(?!\w)", end, comment) for begin, end in BLOCK_MARKS} - {comment}
        for last in range(first + 1, len(lowered)) if ends else ():
            if lowered[last] in ends:
                yield first, last
                break


def _command(rule: Rule) -> List[str]:
    """Return the command that a pam_exec rule is meant to run: everything from the first path on.

    pam_exec is stricter: it stops at an unknown option, and reads a carriage return as part of the name. A rule that it
    would not run still counts as ours, so that it gets replaced.
    """
    for index, argument in enumerate(rule.arguments):
        if argument.startswith("/"):
            return [word.rstrip("\r") for word in rule.arguments[index:]]
    return []


def _is_withholding(rule: Rule) -> bool:
    return rule.facility == "session" and rule.module == "pam_env.so" and WITHHOLDING in rule.arguments


def _reads_user_environment(arguments: List[str]) -> bool:
    # pam_env reads the number with atoi(3). The last one counts.
    values = [argument[len("user_readenv=") :] for argument in arguments if argument.startswith("user_readenv=")]
    return bool(values) and re.match(r"[+-]?0*[1-9]", values[-1]) is not None


def _rules_of_part(path: str, text: str, part: str, read: Reader, seen: Set[str]) -> Iterator[Tuple[str, Rule]]:
    """Yield the rules of one part of a stack and its includes, each with the path of its file."""
    if path in seen:
        return
    seen.add(path)
    for rule in parse(text):
        if rule.facility not in (part, "@include"):
            continue
        if rule.included is None:
            yield path, rule
            continue
        included = read(rule.included) if rule.included else None
        if included is not None:
            yield from _rules_of_part(included[0], included[1], part, read, seen)


def _no_file(_name: str) -> Optional[Tuple[str, str]]:
    return None


class _Stack:
    """A file's physical lines and rules, and which of these add rules to the session part."""

    def __init__(self, text: str, read: Optional[Reader]) -> None:
        self.lines = _physical_lines(text)
        self.rules = parse(text)
        self.read = read or _no_file

    def running(self, program: str, replaces: Iterable[str]) -> List[Rule]:
        """Return the session rules that run ``program``, or a command that begins with an entry of ``replaces``."""
        commands = [words for words in [[program]] + [entry.split() for entry in replaces] if words]
        return [
            rule
            for rule in self.rules
            if rule.facility == "session"
            and rule.module == "pam_exec.so"
            and any(_command(rule)[: len(command)] == command for command in commands)
        ]

    def ours(self, program: str, replaces: Iterable[str]) -> List[Rule]:
        """Return the rules that run ``program`` or one of ``replaces``, and the one between the two attempts."""
        running = self.running(program, replaces)
        return [rule for rule in self.rules if rule in running or _is_withholding(rule)]

    def adds_session_rules(self, rule: Rule) -> bool:
        """Return whether a rule certainly adds rules to the session part, itself or through an include."""
        return self._contribution(rule) is True

    def may_add_session_rules(self, rule: Rule) -> bool:
        """Return the same, but assume that an unreadable include contains session rules."""
        return self._contribution(rule) is not False

    def _contribution(self, rule: Rule) -> Optional[bool]:
        if rule.facility not in ("session", "@include"):
            return False
        if rule.included is None:
            return True
        included = self.read(rule.included) if rule.included else None
        if included is None:
            # A `session include` of a missing file is a rule that always fails. An @include can add to any part.
            return True if rule.facility == "session" else None
        for _found in _rules_of_part(included[0], included[1], "session", self.read, set()):
            return True
        return False

    def leading_close(self, rules: List[Rule]) -> List[Rule]:
        """Return ``[rule]`` if the first session rule of ``rules`` is pam_selinux.so close, else ``[]``.

        One that can skip rules or end the stack does not count: our rules must come before it.
        """
        for rule in rules:
            if self.may_add_session_rules(rule):
                leads = rule.module == "pam_selinux.so" and "close" in rule.arguments
                return [rule] if leads and _goes_on(rule) else []
        return []

    def session_rules_before(self, limit: Rule) -> List[Rule]:
        return [rule for rule in self.rules if rule.start < limit.start and self.may_add_session_rules(rule)]

    def fault(self, ours: List[Rule], lines: List[str]) -> Optional[str]:
        """Return what is wrong with our rules ``ours``, or None if they are exactly ``lines``, in the right place."""
        wanted = [_words(line) for line in lines]
        found = [rule.words for rule in ours]
        if not any(rule.module == "pam_exec.so" for rule in ours):
            return "is gone"
        if len(found) > len(wanted):
            return "is there more than once"
        if found != wanted:
            return "is not complete" if all(words in wanted for words in found) else "was changed"
        between = [rule for rule in self.rules if ours[0].start < rule.start < ours[-1].start and rule not in ours]
        if any(self.may_add_session_rules(rule) for rule in between):
            return "is interrupted by another rule"
        others = [rule for rule in self.rules if rule not in ours]
        if self.session_rules_before(ours[0]) != self.leading_close(others):
            return "is not the first of the session part"
        return None

    def check_extents(self) -> None:
        """Refuse a file whose lines different versions of libpam join differently: an edit could change a rule."""
        for rule in self.rules:
            if rule.defect:
                raise PamStackError(f"{rule.defect}. Remove the backslash, or the line after it.")

    def without(self, ours: List[Rule], lines: List[str]) -> str:
        """Return the text without ``ours``. ``lines``: rules whose jump is known to skip only our rules."""
        known = [_words(line) for line in lines]
        for rule in ours:
            self._check_removal(rule, ours, known)
        gone = {index for rule in ours for index in range(rule.start, rule.end)}
        kept = [line for index, line in enumerate(self.lines) if index not in gone]
        if kept and len(self.lines) - 1 in gone and not self.lines[-1].endswith("\n"):
            kept[-1] = kept[-1][:-1]
        return "".join(kept)

    def _check_removal(self, rule: Rule, ours: List[Rule], known: List[List[str]]) -> None:
        """Refuse to remove a rule that a jump skips: the jump would then skip another rule, perhaps a vital one."""
        distance = 1
        if rule.jump and rule.words not in known:
            raise _jump_error(rule, "itself skips rules")
        before = [other for other in self.rules if other.facility == "session" and other.start < rule.start]
        for other in reversed([other for other in before if other not in ours]):
            if other.jump >= distance:
                raise _jump_error(rule, f"is skipped by the jump in line {other.start + 1}")
            # Rules that an include adds, and those that are removed as well, are not counted, so the distance is never
            # too large.
            if other.control != "include":
                distance += 1

    def outside_block(self, index: int) -> int:
        """Return the line of the marker above ``index`` if a tool's block begins at ``index``, else ``index``."""
        marks = [first for first, _last in _blocks(_comments(self.lines))]
        above = index
        while above > 0 and not _body(self.lines[above - 1])[0].strip(BLANKS):
            above -= 1
            if above in marks:
                return above
        return index

    def with_lines(self, ours: List[str]) -> str:
        """Return the text with ``ours`` in the right place."""
        leading = self.leading_close(self.rules)
        first = next(rule for rule in self.rules if self.may_add_session_rules(rule))
        index = leading[0].end if leading else self.outside_block(first.start)
        lines = list(self.lines)
        if index == len(lines) and not lines[-1].endswith("\n"):
            return "".join(lines) + "".join("\n" + line for line in ours)
        lines[index:index] = [line + "\n" for line in ours]
        return "".join(lines)


def _goes_on(rule: Rule) -> bool:
    """Return whether libpam certainly runs the next rule when this one's module succeeds or is ignored."""
    if rule.control in PLAIN_CONTROLS:
        return True
    actions = re.findall(r"=\s*([a-z0-9]+)", rule.control)
    return bool(actions) and "done" not in actions and not rule.jump


def _jump_error(ours: Rule, why: str) -> PamStackError:
    return PamStackError(
        f"the rule in line {ours.start + 1} {why}. Without this rule, the jump would skip the wrong one."
        " Remove the rule and the jump from the file by hand, then run this again."
    )
