# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys open which accounts of this host, by the settings that each of its sshds has for each account.

The decisions are those of sshd (OpenSSH, auth2-pubkey.c, user_key_allowed; auth.c, expand_authorized_keys and
allowed_user). Nothing is written, and no AuthorizedKeysCommand is run. A key counts as accepted if it is unclear
whether sshd accepts it.
"""

import contextlib
import glob
import grp
import os
import pwd
import re
import time

from . import account_files, authorized_keys, sshds
from .account_files import LARGEST_LINE_BYTES, NONE, File
from .authorized_keys import AUTHORITY, MalformedError
from .certificate_patterns import is_like
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

    from .authorized_keys import Key

    Settings = Dict[str, List[str]]
    Account = pwd.struct_passwd

# servconf.c, fill_default_server_options.
USUAL_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
# The limit for keys and malformed lines of one host.
MOST_ROWS = 20000
# For how many connections an sshd with Match blocks is asked for its settings.
MOST_CONNECTIONS = 12
# How much of one file is read to find a comment, which is only a hint.
LARGEST_HINT_BYTES = 1 << 20
# The OpenSSH version from which AuthorizedKeysFile and AuthorizedPrincipalsFile can be glob patterns.
PATTERNS_SINCE = (10, 0)
# The criteria of Match that depend on the connection, and their names in sshd's option -C (sshd(8)).
CRITERIA = {"address": "addr", "host": "host", "localaddress": "laddr", "localport": "lport", "rdomain": "rdomain"}
CONNECTION = {"host": "localhost", "addr": "127.0.0.1", "laddr": "127.0.0.1", "lport": "22"}
# The first bytes of a binary list of revoked keys (PROTOCOL.krl).
KRL = b"SSHKRL\n\0"


def comment_of(fingerprint: str, user: str) -> "Optional[str]":
    """Return the comment of the line by which a key opens an account, None if there is none or it can't be found.

    The comment is only a hint, because the account's owner chooses it. It is printable, and at most text.LONGEST
    characters long. Needs root. fingerprint: as `ssh-keygen -lf` prints it. At most LARGEST_HINT_BYTES of a file are
    read. sshd is asked for other files only if the usual ones do not have the key.
    """
    try:
        account = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return None
    for pattern in _likely_patterns(user):
        path = account_files.expanded(pattern, account)
        lines = account_files.read(path, account, LARGEST_HINT_BYTES).lines if path else []
        for _number, line in lines:
            with contextlib.suppress(MalformedError):
                key = authorized_keys.parse(line)
                if key is not None and key.fingerprint == fingerprint:
                    return key.comment or None
    return None


def examine(users: "Optional[List[str]]" = None) -> "Dict[str, Any]":
    """Return what opens the accounts of this host, for JSON. Needs root.

    users: names of the accounts, None for all that can be enumerated (getpwent(3)).

    `accounts` is their number. `authorized_keys`, `malformed`, `principals`, `files` and `commands` are rows, as the
    module authorized_key_info documents them. `sshds` are titles. `notes` are whole sentences about what is not listed,
    and why.
    """
    return _Examination(users).result()


def _likely_patterns(user: str) -> "Iterator[str]":
    """Yield the usual patterns of AuthorizedKeysFile, then the other ones that the usual sshd has for an account."""
    yield from USUAL_FILES
    for sshd in sshds.usual():
        for pattern in _words(_parsed(sshd.answer(_connection(user, {}))), "authorizedkeysfile"):
            if pattern not in USUAL_FILES:
                yield pattern


# -- settings ---------------------------------------------------------------------------------------------------------


class _Asked:
    """An sshd that is asked for its settings for an account."""

    def __init__(self, sshd: "sshds.Sshd", notes: "List[str]") -> None:
        self.title = sshd.title
        self.takes_patterns = (sshd.version() or PATTERNS_SINCE) >= PATTERNS_SINCE
        self._sshd = sshd
        self._notes = notes
        matches = [value for keyword, value in sshd.lines() if keyword == "match"]
        self._depends = bool(matches)
        self._connections = _connections(matches)
        if len(self._connections) > MOST_CONNECTIONS:
            notes.append(
                f"{self.title} has more than {MOST_CONNECTIONS} Match blocks for connections, so the files of the last"
                " ones are not listed."
            )
            del self._connections[MOST_CONNECTIONS:]
        self._always: List[Tuple[str, Settings]] = []

    def settings(self, user: str) -> "List[Tuple[str, Settings]]":
        """Return the settings for an account, each with a description of the connection that they apply to."""
        if self._depends and re.match(r"[^,=]+\Z", user):
            return [(_like(changed), self._ask(user, changed)) for changed in self._connections]
        if not self._always:
            self._always = [("", self._ask("root", {}))]
        return self._always

    def _ask(self, user: str, changed: "Dict[str, str]") -> "Settings":
        found = _parsed(self._sshd.answer(_connection(user, changed)))
        if found:
            return found
        note = (
            f"{self.title} does not print its settings, so those in its file outside Match blocks were used. Run"
            " `sshd -T` on the host to see why."
        )
        if note not in self._notes:
            self._notes.append(note)
        for keyword, value in self._sshd.lines(of_match=False):
            if keyword in ("allowusers", "denyusers", "allowgroups", "denygroups"):
                found.setdefault(keyword, []).append(value)
            else:
                found.setdefault(keyword, [value])
        return found


def _connection(user: str, changed: "Dict[str, str]") -> str:
    return ",".join(f"{name}={value}" for name, value in {"user": user, **CONNECTION, **changed}.items())


def _connections(matches: "List[str]") -> "List[Dict[str, str]]":
    """Return the connections that Match lines distinguish, the usual one first.

    Of each list of patterns, the first that is not negated is used as the example.
    """
    found: List[Dict[str, str]] = [{}]
    for match in matches:
        words = match.split()
        changed = {}
        for criterion, patterns in zip(words[::2], words[1::2]):
            name = CRITERIA.get(criterion.lower())
            pattern = next((pattern for pattern in patterns.split(",") if not pattern.startswith("!")), "")
            if name and pattern:
                changed[name] = _example(name, pattern)
        if changed not in found:
            found.append(changed)
    return found


def _example(name: str, pattern: str) -> str:
    """Return a value that a pattern of Match matches."""
    if name in ("addr", "laddr"):
        if pattern == "*":
            return CONNECTION[name]
        address = pattern.partition("/")[0]
        missing = 3 - address.count(".") if address.endswith("*") and ":" not in address else 0
        return address.replace("*", "1").replace("?", "1") + ".1" * missing
    return pattern.replace("*", "x").replace("?", "x")


def _like(changed: "Dict[str, str]") -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(changed.items()))


def _parsed(answer: str) -> "Settings":
    found: Settings = {}
    for line in answer.splitlines():
        keyword, _blank, value = line.strip().partition(" ")
        found.setdefault(keyword.lower(), []).append(value.strip())
    return found if "authorizedkeysfile" in found else {}


def _words(settings: "Settings", keyword: str) -> "List[str]":
    """Return the words of a setting; an empty list if it is `none` or unknown."""
    words = [word for value in settings.get(keyword, []) for word in value.split()]
    return [] if [word.lower() for word in words] == [NONE] else words


def _value(settings: "Settings", keyword: str, default: str = "") -> str:
    """Return the first value of a setting; the default if it is `none` or unknown."""
    value = settings.get(keyword, [default])[0]
    return default if value.lower() == NONE else value


# -- decisions --------------------------------------------------------------------------------------------------------


def _closed(account: "Account", settings: "Settings") -> str:
    """Return why sshd accepts no key at all for an account, "" if it can accept one (auth.c, allowed_user)."""
    methods = _words(settings, "authenticationmethods")
    if _value(settings, "pubkeyauthentication", "yes") == "no":
        return "sshd accepts no keys here (PubkeyAuthentication no)"
    if methods and methods != ["any"] and not any("publickey" in re.split("[,:]", method) for method in methods):
        return "sshd accepts no keys here (AuthenticationMethods)"
    if account.pw_uid == 0 and _value(settings, "permitrootlogin") == "no":
        return "sshd does not let root in (PermitRootLogin no)"
    shell = account.pw_shell or "/bin/sh"
    if not os.path.isfile(shell) or not os.stat(shell).st_mode & 0o111:
        return f"its shell {printable(shell)} does not exist or is not executable"
    return _listed(account, settings)


def _listed(account: "Account", settings: "Settings") -> str:
    """Return which list (AllowUsers, DenyGroups, …) keeps an account out for every client, "" if none does."""
    allowed, denied = _words(settings, "allowusers"), _words(settings, "denyusers")
    # USER@HOST matches some clients only.
    if any("@" not in pattern and is_like(account.pw_name, pattern) for pattern in denied):
        return "sshd does not let it in (DenyUsers)"
    if allowed and not any(is_like(account.pw_name, pattern.rpartition("@")[0] or pattern) for pattern in allowed):
        return "sshd does not let it in (AllowUsers)"
    allowed, denied = _words(settings, "allowgroups"), _words(settings, "denygroups")
    groups = _groups(account) if allowed or denied else []
    if any(is_like(group, pattern) for group in groups for pattern in denied):
        return "sshd does not let it in (DenyGroups)"
    if allowed and not any(is_like(group, pattern) for group in groups for pattern in allowed):
        return "sshd does not let it in (AllowGroups)"
    return ""


def _groups(account: "Account") -> "List[str]":
    names = []
    for number in os.getgrouplist(account.pw_name, account.pw_gid):
        with contextlib.suppress(KeyError):
            names.append(grp.getgrgid(number).gr_name)
    return names


def _refused(key: "Key", account: "Account", settings: "Settings", revoked: "List[str]") -> str:
    """Return why sshd refuses a key, "" if it can accept it."""
    is_authority = key.has(AUTHORITY)
    least = _value(settings, "requiredrsasize")
    signatures = _value(settings, "pubkeyacceptedalgorithms") or _value(settings, "pubkeyacceptedkeytypes")
    if is_authority:
        signatures = _value(settings, "casignaturealgorithms")
    if key.fingerprint in revoked:
        return "it is revoked (RevokedKeys)"
    is_commands_only = account.pw_uid == 0 and _value(settings, "permitrootlogin") == "forced-commands-only"
    if is_commands_only and not is_authority and not key.has("command"):
        return "root needs the option command (PermitRootLogin forced-commands-only)"
    if key.bits and key.name == "ssh-rsa" and least.isdigit() and key.bits < int(least):
        return f"sshd refuses RSA keys with fewer than {least} bits (RequiredRSASize)"
    names = [key.name, "rsa-sha2-256", "rsa-sha2-512"] if key.name == "ssh-rsa" else [key.name]
    if signatures and not any(is_like(name, pattern) for name in names for pattern in signatures.split(",")):
        return "sshd does not accept keys of this type"
    return ""


# -- examination ------------------------------------------------------------------------------------------------------


class _Examination:
    """Everything that opens the accounts, gathered over all sshds."""

    def __init__(self, users: "Optional[List[str]]") -> None:
        self._now = time.time()
        self._notes: List[str] = []
        self._accounts = self._chosen(users)
        self._read: Dict[Tuple[str, Optional[int]], File] = {}
        self._keys: Dict[Tuple[str, str, int], Dict[str, Any]] = {}
        self._malformed: Dict[Tuple[str, str, int], Dict[str, Any]] = {}
        self._principals: Dict[Tuple[str, str, int], Dict[str, Any]] = {}
        self._files: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self._commands: List[Dict[str, str]] = []
        self._asked = [_Asked(sshd, self._notes) for sshd in sshds.found()]
        if os.geteuid() != 0:
            self._note("The module did not run as root, so files of other accounts may be missing. Set become: true.")
        if not self._asked:
            self._notes.append("sshd was not found, so no key opens an account here.")
        for asked in self._asked:
            for account in self._accounts:
                for like, settings in asked.settings(account.pw_name):
                    title = f"{asked.title}, for a connection with {like}" if like else asked.title
                    self._examine(account, settings, title, asked.takes_patterns)

    def result(self) -> "Dict[str, Any]":
        return {
            "accounts": len(self._accounts),
            "sshds": [asked.title for asked in self._asked],
            "authorized_keys": list(self._keys.values()),
            "malformed": list(self._malformed.values()),
            "principals": list(self._principals.values()),
            "files": list(self._files.values()),
            "commands": self._commands,
            "notes": self._notes,
        }

    def _chosen(self, users: "Optional[List[str]]") -> "List[Account]":
        if users is None:
            # Of several entries with one name, sshd uses the first (getpwnam).
            return list({account.pw_name: account for account in reversed(pwd.getpwall())}.values())[::-1]
        found = []
        for user in users:
            try:
                found.append(pwd.getpwnam(user))
            except (KeyError, ValueError):
                self._note(f"There is no account {printable(user)}.")
        return found

    def _examine(self, account: "Account", settings: "Settings", title: str, takes_patterns: bool) -> None:
        """Add everything that opens an account by these settings."""
        closed = _closed(account, settings)
        revoked = self._revoked(settings)
        is_strict = _value(settings, "strictmodes", "yes") != "no"
        self._name_commands(settings, title)
        for path in self._paths(account, settings.get("authorizedkeysfile", [" ".join(USUAL_FILES)]), takes_patterns):
            file = self._file(path, account)
            unsafe = f"sshd refuses the file: {file.unsafe}" if is_strict and file.unsafe else ""
            for number, key in self._parsed(file, path, account, authorized_keys.parse):
                principals = (key.value("principals") or account.pw_name).split(",") if key.has(AUTHORITY) else []
                refused = closed or unsafe or key.refusal(self._now) or _refused(key, account, settings, revoked)
                self._add_key(key, account, path, number, title, refused, principals)
        authorities = _value(settings, "trustedusercakeys")
        if authorities:
            self._add_authorities(account, settings, title, closed, authorities, takes_patterns)

    def _add_authorities(
        self, account: "Account", settings: "Settings", title: str, closed: str, path: str, takes_patterns: bool
    ) -> None:
        """Add the authorities whose certificates open an account (auth2-pubkey.c, user_cert_trusted_ca)."""
        is_strict = _value(settings, "strictmodes", "yes") != "no"
        patterns = _words(settings, "authorizedprincipalsfile")
        principals = []
        for file_path in self._paths(account, patterns, takes_patterns):
            file = self._file(file_path, account)
            unsafe = f"sshd refuses the file: {file.unsafe}" if is_strict and file.unsafe else ""
            for number, (principal, options) in self._parsed(file, file_path, account, authorized_keys.parse_principal):
                refused = unsafe or authorized_keys.expired(options, self._now)
                principals += [principal] if not refused else []
                self._principals[(account.pw_name, file_path, number)] = {
                    **_place(account, file_path, number), "principal": principal,
                    "options": authorized_keys.shown(options), "refused": refused,
                }  # fmt: skip
        command = _value(settings, "authorizedprincipalscommand")
        if not patterns and not command:
            principals = [account.pw_name]
        if not principals and not command:
            return
        revoked = self._revoked(settings)
        for number, key in self._parsed(self._file(path, None), path, account, authorized_keys.parse_authority):
            key.options = [(AUTHORITY, None)]
            refused = closed or key.refusal(self._now) or _refused(key, account, settings, revoked)
            self._add_key(key, account, path, number, title, refused, principals)

    def _add_key(
        self, key: "Key", account: "Account", path: str, number: int, title: str, refused: str, principals: "List[str]"
    ) -> None:
        place = (account.pw_name, path, number)
        row = self._keys.get(place)
        if row is None:
            if len(self._keys) + len(self._malformed) >= MOST_ROWS:
                self._note(f"There are more than {MOST_ROWS} lines, and the others are not listed. Name some users.")
                return
            row = self._keys[place] = {
                **_place(account, path, number), "kind": "authority" if key.has(AUTHORITY) else "key",
                "type": key.key_type, "bits": key.bits, "fingerprint": key.fingerprint, "comment": key.comment,
                "options": authorized_keys.shown(key.options), "principals": [], "refused": refused, "sshds": [],
            }  # fmt: skip
        if not refused:
            row["refused"] = ""
            row["sshds"] += [title] if title not in row["sshds"] else []
        row["principals"] += [name for name in map(printable, principals) if name not in row["principals"]]

    def _parsed(
        self, file: File, path: str, account: "Account", parse: "Callable[[bytes], Any]"
    ) -> "Iterator[Tuple[int, Any]]":
        """Yield number and content of each line, and list the malformed ones."""
        for number, line in file.lines:
            try:
                if not line:
                    raise MalformedError(f"it is longer than {LARGEST_LINE_BYTES} bytes, and was not examined")
                found = parse(line)
            except MalformedError as error:
                place = (account.pw_name, path, number)
                if len(self._keys) + len(self._malformed) < MOST_ROWS:
                    self._malformed[place] = {**_place(account, path, number), "reason": str(error)}
            else:
                if found is not None:
                    yield number, found

    def _file(self, path: str, account: "Optional[Account]") -> File:
        """Return a file. List it if it has lines other than comments, a problem, or unsafe modes."""
        cached = (path, None if account is None else account.pw_uid)
        if cached not in self._read:
            self._read[cached] = account_files.read(path, account)
        file = self._read[cached]
        name = "" if account is None else account.pw_name
        if file.lines or file.problem or file.unsafe:
            row = {"user": name, "path": printable(path), "problem": file.problem, "unsafe": file.unsafe}
            self._files[(name, path)] = row
        return file

    def _paths(self, account: "Account", patterns: "List[str]", takes_patterns: bool) -> "Iterator[str]":
        for pattern in [word for value in patterns for word in value.split()]:
            path = account_files.expanded(pattern, account)
            if path and takes_patterns and glob.has_magic(path):
                try:
                    with account_files.rights_of(account):
                        found = sorted(glob.glob(path))
                except OSError:
                    found = []
                yield from found
            elif path:
                yield path
            elif pattern.lower() != NONE:
                self._note(f"sshd's pattern {printable(pattern)} for files has an unknown token after %.")

    def _revoked(self, settings: "Settings") -> "List[str]":
        """Return the fingerprints of revoked keys, if the file is a list of keys."""
        path = _value(settings, "revokedkeys")
        if not path:
            return []
        file = self._read.setdefault((path, None), account_files.read(path))
        if any(line.startswith(KRL[:6]) for _number, line in file.lines[:1]):
            self._note(f"The revoked keys in {printable(path)} (RevokedKeys) are a KRL, which is not compared.")
            return []
        found = []
        for _number, line in file.lines:
            with contextlib.suppress(MalformedError):
                key = authorized_keys.parse(line)
                found += [key.fingerprint] if key is not None else []
        return found

    def _name_commands(self, settings: "Settings", title: str) -> None:
        for setting in ("AuthorizedKeysCommand", "AuthorizedPrincipalsCommand"):
            command = _value(settings, setting.lower())
            row = {
                "setting": setting, "command": printable(command), "sshd": title,
                "user": printable(_value(settings, setting.lower() + "user")),
            }  # fmt: skip
            if command and row not in self._commands:
                self._commands.append(row)
                what = "keys" if setting == "AuthorizedKeysCommand" else "principals"
                self._note(f"The {what} that {setting} {printable(command)} prints are not listed.")

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)


def _place(account: "Account", path: str, number: int) -> "Dict[str, Any]":
    return {"user": account.pw_name, "uid": account.pw_uid, "file": printable(path), "line": number}
