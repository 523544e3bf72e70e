# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of sshd's settings since the last check: the output of `sshd -T` for each sshd, and its Match blocks.

`sshd -T` reads the current files. So a change is reported as soon as it is on the disk, even if sshd was not reloaded,
because anybody who can write these files can also reload sshd. The command prints the settings of one connection, so
the lines of Match blocks are compared as they are in the files.

Changes that come with a package upgrade are not reported: a new sshd with other lists of algorithms and with new
settings, or a new crypto policy. The first check of a host only records the settings.
"""

import os

from .kept import Kept
from .processes import FIRST_PROCESS
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from .spool import Spool
    from .sshds import Sshd

FILE = "sshd.json"
# The settings that decide who can log in, as a message spells and orders them. All others follow, as sshd prints them.
IMPORTANT = (
    "PermitRootLogin", "PasswordAuthentication", "PermitEmptyPasswords", "KbdInteractiveAuthentication",
    "ChallengeResponseAuthentication", "PubkeyAuthentication", "HostbasedAuthentication", "GSSAPIAuthentication",
    "AuthenticationMethods", "UsePAM", "PAMServiceName", "AuthorizedKeysFile", "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser", "AuthorizedPrincipalsFile", "AuthorizedPrincipalsCommand", "TrustedUserCAKeys",
    "RevokedKeys", "StrictModes", "AllowUsers", "AllowGroups", "DenyUsers", "DenyGroups", "PermitUserRC",
    "PermitUserEnvironment", "ForceCommand", "ChrootDirectory", "ListenAddress", "Port", "LogLevel", "Subsystem",
)  # fmt: skip
SPELLINGS = {name.lower(): name for name in IMPORTANT}
RANKS = {name: rank for rank, name in enumerate(IMPORTANT)}
# `sshd -T` prints these only if they are set (servconf.c, dump_cfg_strarray), so no upgrade adds or removes them.
IF_SET = ("allowusers", "allowgroups", "denyusers", "denygroups", "subsystem")
# Other words for the same value: OpenSSH 10.1 prints the second one (servconf.c, fmt_intarg).
SAME = {"permitrootlogin": {"without-password": "prohibit-password"}}
# The endings of settings whose defaults change with the version of OpenSSH (`keytypes` before 8.5), or with a policy.
OF_VERSIONS = ("algorithms", "keytypes", "ciphers", "macs", "ipqos", "requiredrsasize")
# The setting SetEnv can contain a password for the sessions.
VARIABLES = "setenv"
# The algorithms that RHEL and Fedora set for all programs (crypto-policies(7)). They come with a package as well.
POLICY = "/etc/crypto-policies/back-ends/opensshserver.config"
NOT_SET = "not set"
MOST_TOLD = 5
LONGEST_VALUE = 60
MOST_SSHDS = 50


class Changes:
    """The changes that were found. sentences: the report for the channel, each `what has changed: what to do`."""

    def __init__(self, spool: "Spool", found: "List[Sshd]", is_accepted: bool = False) -> None:
        """Compare the sshds that accept logins with the record of the last check. The record stays as it is.

        is_accepted: the configuration accepts changed settings, so only a new sshd is reported
        """
        self._is_accepted = is_accepted
        self._kept = Kept(spool, FILE)
        self._before = _checked(self._kept.load())
        self._now = dict(self._before)
        self.sentences: List[str] = []
        # The sender's sandbox hides /proc, so not every sshd is found, and the options of its start can't be seen.
        running = [sshd for sshd in found if sshd.is_running] if os.path.exists(FIRST_PROCESS) else []
        gone = [key for key in self._before if key not in {sshd.key for sshd in running}]
        for sshd in running:
            account = _account(sshd)
            if account is None:
                continue
            before = self._before.get(sshd.key)
            if before is None and self._before:
                replaced = [key for key in gone if self._before[key]["program"] == sshd.program]
                if not replaced:
                    what = f"a new sshd accepts logins ({printable(sshd.title)})"
                    self.sentences.append(what + ": check who started it")
                for key in replaced[:1]:
                    before = self._now.pop(key, None)
                    gone.remove(key)
            if before and before["settings"] == account["settings"]:
                account["policy"] = before["policy"]  # sshd may load the new one only when it is restarted (EL 8)
            elif before:
                self._compare(before, account, sshd.title if len(found) > 1 else "sshd")
            self._now[sshd.key] = account

    def _compare(self, before: "Dict[str, Any]", account: "Dict[str, Any]", name: str) -> None:
        is_upgrade, is_policy = before["file"] != account["file"], before["policy"] != account["policy"]
        told = _differences(before["settings"], account["settings"], is_upgrade, is_policy)
        if told and not self._is_accepted:
            shown = ", ".join(told[:MOST_TOLD]) + (f", {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")
            what = f"the settings of {printable(name)} have changed ({shown})"
            self.sentences.append(what + ": find out who changed them")

    def probe(self) -> None:
        """Check that the record can be saved. Raise OSError if not: the same report would be repeated endlessly."""
        if self._now != self._before:
            self._kept.save({"sshds": self._before, "is_noted": True})

    def keep(self) -> None:
        """Save what was found, so that it is not reported again. Raise OSError."""
        if self._now != self._before:
            self._kept.save({"sshds": dict(list(self._now.items())[-MOST_SSHDS:]), "is_noted": True})


def files(spool: "Spool") -> "List[str]":
    """Return the paths of the files on which the recorded settings depend."""
    return sorted({path for account in _checked(Kept(spool, FILE).load()).values() for path in account["files"]})


def _account(sshd: "Sshd") -> "Optional[Dict[str, Any]]":
    """Return the record of an sshd, None if it does not print its settings because its configuration is invalid."""
    settings: Dict[str, List[str]] = {}
    for keyword, value in sshd.settings:
        settings.setdefault(keyword, []).append(value)
    if not settings:
        return None
    for condition, keyword, value in sshd.matched():
        settings.setdefault(f"Match {condition}: {keyword}", []).append(value)
    return {
        "program": sshd.program,
        "file": _identity(sshd.executable),
        "policy": _identity(POLICY),
        "files": sshd.files(),
        "settings": {name: ", ".join(values) for name, values in settings.items()},
    }


def _identity(path: str) -> "List[int]":
    try:
        status = os.stat(path)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _checked(kept: "Dict[str, Any]") -> "Dict[str, Dict[str, Any]]":
    """Return the valid records, by the keys of their sshds."""
    kinds = {"program": str, "file": list, "policy": list, "files": list, "settings": dict}
    accounts = kept.get("sshds")
    if not isinstance(accounts, dict):
        return {}
    return {
        key: account
        for key, account in accounts.items()
        if isinstance(account, dict) and all(isinstance(account.get(name), kind) for name, kind in kinds.items())
    }


def _differences(before: "Dict[str, str]", now: "Dict[str, str]", is_upgrade: bool, is_policy: bool) -> "List[str]":
    """Return the changes to report, such as `PermitRootLogin no → yes`, the most important first.

    is_upgrade: sshd is another version, so it also prints other settings. is_policy: the crypto policy is another one
    """
    told = []
    for name in sorted({*before, *now}, key=_rank):
        old, new = before.get(name), now.get(name)
        is_new = is_upgrade and None in (old, new) and name not in IF_SET
        is_default = (is_upgrade or is_policy) and name.endswith(OF_VERSIONS)
        of_version = not name.startswith("Match ") and (is_new or is_default)
        words = SAME.get(name.rpartition(": ")[2], {})
        if words.get(old or "", old) == words.get(new or "", new) or of_version:
            continue
        values = "(not shown)" if name.endswith(VARIABLES) else f"{_shown(old)} → {_shown(new)}"
        told.append(f"{_spelt(name)} {values}")
    return told


def _rank(name: str) -> "Tuple[int, str]":
    keyword = name.rpartition(": ")[2]
    return RANKS.get(SPELLINGS.get(keyword, ""), len(RANKS)), name


def _spelt(name: str) -> str:
    condition, _colon, keyword = name.rpartition(": ")
    spelt = SPELLINGS.get(keyword, keyword)
    return _part(f"{spelt} in {condition}" if condition else spelt)


def _shown(value: "Optional[str]") -> str:
    return NOT_SET if value is None else _part(value or '""')


def _part(text: str) -> str:
    """Return a text as a part of a sentence, without a colon and a space, which would end the headline."""
    return printable(text, LONGEST_VALUE).replace(": ", ":")
