# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one record for each key from the results of the playbook `keys` on the hosts of a fleet."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from ansible_collections.loginwatch.pam.plugins.module_utils import authorized_keys

DOCUMENTATION = r"""
name: keys_report
short_description: Build the report of a fleet's keys from the results of P(loginwatch.pam.keys#playbook)
version_added: 0.1.0
author: the loginwatch founders
description:
  - Reports for each key which accounts it opens on which hosts, who owns it, and when it was used.
  - For each host it reads the variables C(keys_found), the result of M(loginwatch.pam.authorized_key_info),
    C(keys_status), the result of C(ssh-login-notify status --json --keys), C(keys_failure) and
    C(ssh_login_notify_people). Any of them may be missing. The output of a host is used only if it has the right form.
positional: _input, variables, reachable, unused_days
options:
  _input:
    description: Names of the hosts, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  variables:
    description: The variables of each host by its name, C(hostvars).
    type: dict
    required: true
  reachable:
    description: Names of the hosts that are still part of the play, C(ansible_play_hosts).
    type: list
    elements: str
    required: true
  unused_days:
    description: Number of days without a login after which a key counts as unused.
    type: int
    default: 90
"""

EXAMPLES = r"""
- name: Count the keys with an unknown owner
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | loginwatch.pam.keys_report(hostvars, ansible_play_hosts)).counts.unknown }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    unused_days:
      description: The option O(unused_days).
      type: int
    counts:
      description:
        - Numbers of C(hosts), C(examined) hosts, C(keys), and of keys that are C(unknown), C(unused) or C(closed).
      type: dict
    records:
      description: One record for each key. Those that need attention come first.
      type: list
      elements: dict
      contains:
        fingerprint:
          description: The fingerprint.
          type: str
        type:
          description: The type of the key.
          type: str
        bits:
          description: The size of the key in bits. Null if it is not known.
          type: int
        kind:
          description: V(key) or V(authority).
          type: str
        person:
          description: The name of the owner, from C(ssh_login_notify_people) of any host. Empty if it is not known.
          type: str
        comments:
          description: The comments of the lines with this key.
          type: list
          elements: str
        use:
          description:
            - V(used) or V(unused), according to the memory of the hosts.
            - V(not known) if a host's memory is missing or younger than O(unused_days), and no other host has seen the
              key used.
            - V(closed) if sshd refuses every line with this key.
          type: str
        use_text:
          description: The same in words.
          type: str
        places:
          description: The accounts that the key opens. Hosts with the same account and options are grouped in one text.
          type: list
          elements: str
          sample: ["deploy on web-1, web-2", "root on db, with from=\"192.0.2.0/24\""]
        refusals:
          description: Why sshd refuses lines with this key.
          type: list
          elements: str
        last:
          description: When the key was last used, in seconds since the epoch. Null if that is not known.
          type: float
        opens:
          description: Each line with this key, with C(host), C(user), C(uid), C(file), C(line), C(comment), C(options),
            C(principals), C(refused), C(first), C(last), C(use) and C(why).
          type: list
          elements: dict
    hosts:
      description: One record for each host, with C(host), C(state), C(problem), C(notes), C(accounts), C(memory_since).
      type: list
      elements: dict
    others:
      description:
        - Keys that were used, but are not in any file, with C(host), C(user), C(key), C(person), C(first), C(last).
      type: list
      elements: dict
    faults:
      description: Lines and files that sshd can't use, with C(host), C(user), C(file), C(line), C(reason).
      type: list
      elements: dict
    rows:
      description: The whole report as one table.
      type: list
      elements: dict
"""

DAY_SECONDS = 86400
# A usual host has a hundredth of this number.
MOST_ENTRIES = 25000
MAX_ANSWER_CHARACTERS = 1 << 22
MAX_TEXT_CHARACTERS = 3100
MAX_NUMBER = 1 << 33
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
KINDS = ("key", "authority")
MOMENTS = ("first", "last")
USES = ("used", "unused", "not known", "closed")
# The states of a host, the worst first.
STATES = ("unreachable", "failed", "examined")


class NotUnderstoodError(Exception):
    """The output of a host does not have the right form. The message says why, as a clause."""


def keys_report(
    hosts: Iterable[str], variables: Mapping[str, Any], reachable: Iterable[str], unused_days: int = 90
) -> dict[str, Any]:
    """Return the report as RETURN describes it."""
    in_play = set(reachable)
    now = time.time()
    examined = [_Host(name, variables[name], name in in_play) for name in hosts]
    people: dict[str, str] = {}
    for host in reversed(examined):
        people.update(host.people)
    keys: dict[tuple[str, str], dict[str, Any]] = {}
    for host in examined:
        for place in host.places:
            record = keys.setdefault(
                (place["fingerprint"], place["kind"]),
                {**{name: place[name] for name in ("fingerprint", "type", "bits", "kind")}, "opens": []},
            )
            record["opens"].append({**place, **host.use(place, now, unused_days)})
    for record in keys.values():
        _sum_up(record, people, unused_days)
    records = sorted(keys.values(), key=_order)
    others = [
        {**entry, "person": people.get(entry["key"].partition(" ")[0], "")}
        for host in examined
        for entry in host.others()
    ]
    faults = [fault for host in examined for fault in host.faults]
    counts = {
        "hosts": len(examined),
        "examined": sum(host.state == "examined" for host in examined),
        "keys": len(records),
        "unknown": sum(record["person"] == "" for record in records),
        **{use: sum(record["use"] == use for record in records) for use in ("unused", "closed")},
    }
    report = {
        "unused_days": unused_days,
        "counts": counts,
        "records": records,
        "hosts": sorted((host.record() for host in examined), key=lambda host: STATES.index(host["state"])),
        "others": others,
        "faults": faults,
    }
    return {**report, "rows": list(_rows(report))}


class _Host:
    """The facts about one host. places: the lines with keys. faults: the lines and files that sshd can't use."""

    def __init__(self, name: str, known: Mapping[str, Any], in_play: bool) -> None:
        self.name = name
        self.people = _people(known.get("ssh_login_notify_people"))
        self.places: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.accounts: int | None = None
        self.problem = ""
        found = known.get("keys_found") or {}
        self.state = "unreachable" if not in_play or found.get("unreachable") else "examined"
        failure = known.get("keys_failure")
        if self.state == "unreachable":
            self.problem = _one_line(str(found.get("msg") or "Ansible could not reach it."))
        elif failure is not None:
            self.state, self.problem = "failed", _one_line(str(failure))
        else:
            try:
                self._take(found)
            except NotUnderstoodError as error:
                self.state, self.problem = "failed", f"Its list of keys could not be understood: {error}."
        # Without a memory, `since` is None.
        self.since: float | None = None
        self.used: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
        self.no_memory = ""
        if self.state == "examined":
            self._remember((known.get("keys_status") or {}).get("stdout"))

    def record(self) -> dict[str, Any]:
        return {
            "host": self.name, "state": self.state, "problem": self.problem, "notes": self.notes,
            "accounts": self.accounts, "memory_since": self.since, "no_memory": self.no_memory,
        }  # fmt: skip

    def use(self, place: Mapping[str, Any], now: float, unused_days: int) -> dict[str, Any]:
        """Return when a key was used on an account (first, last), and what this means (use, why).

        now: seconds since the epoch
        """
        own = self.used.get(_name(place["user"], place["fingerprint"], place["kind"] == "authority"), [])
        limit = now - unused_days * DAY_SECONDS
        if own:
            first, last = min(entry["first"] for entry in own), max(entry["last"] for entry in own)
            return {"first": first, "last": last, "use": "used" if last >= limit else "unused", "why": ""}
        found = {"first": None, "last": None, "use": "not known"}
        if self.since is None:
            return {**found, "why": self.no_memory}
        if place["kind"] == "authority":
            return {**found, "why": "the notifier does not remember certificates with long key ids"}
        why = f"not since {_day(self.since)}, when the memory begins"
        return {**found, "use": "unused" if self.since <= limit else "not known", "why": why}

    def others(self) -> Iterator[dict[str, Any]]:
        """Yield the keys that were used, but are not in any file."""
        listed = {_name(place["user"], place["fingerprint"], place["kind"] == "authority") for place in self.places}
        for name, entries in self.used.items():
            if name not in listed:
                yield from ({"host": self.name, **entry} for entry in entries)

    def _take(self, found: Mapping[str, Any]) -> None:
        self.accounts = _number(found, "accounts")
        self.notes = [_text({"note": note}, "note") for note in _list(found, "notes")]
        for entry in _entries(found, "authorized_keys"):
            options = [(_text(option, "name"), option.get("value")) for option in _entries(entry, "options")]
            if entry.get("kind") not in KINDS:
                raise NotUnderstoodError("kind has an unknown value")
            if not FINGERPRINT.match(str(entry.get("fingerprint"))):
                raise NotUnderstoodError("fingerprint is none")
            self.places.append(
                {
                    "host": self.name,
                    "kind": entry["kind"],
                    **{
                        name: _text(entry, name)
                        for name in ("user", "file", "type", "fingerprint", "comment", "refused")
                    },
                    **{name: _number(entry, name) for name in ("uid", "line")},
                    "bits": None if entry.get("bits") is None else _number(entry, "bits"),
                    "options": ",".join(_option(name, value) for name, value in options),
                    "principals": [_text({"principal": name}, "principal") for name in _list(entry, "principals")],
                }
            )
        for entry in _entries(found, "malformed"):
            self._fault(entry, "file", _number(entry, "line"), _text(entry, "reason"))
        for entry in _entries(found, "files"):
            if _text(entry, "problem"):
                self._fault(entry, "path", None, _text(entry, "problem"))

    def _fault(self, entry: Mapping[str, Any], path: str, line: int | None, reason: str) -> None:
        fault = {"user": _text(entry, "user"), "file": _text(entry, path), "line": line, "reason": reason}
        self.faults.append({"host": self.name, **fault})

    def _remember(self, answer: object) -> None:
        """Read the notifier's memory of keys, or set the reason why there is none."""
        status = _status(answer)
        self.no_memory = "no notifier answered" if status is None else "the notifier keeps no memory of keys"
        if status is None or "keys" not in status:
            return
        try:
            used: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
            for found in _entries(status, "keys"):
                entry: dict[str, Any] = {"user": _text(found, "user"), "key": _text(found, "key")}
                entry.update((name, _time(found, name)) for name in MOMENTS)
                used.setdefault(_name(entry["user"], entry["key"], False), []).append(entry)
            since = _time(status, "keys_since")
        except NotUnderstoodError as error:
            self.no_memory = f"the notifier's memory could not be understood: {error}"
            return
        self.used, self.since, self.no_memory = used, since, ""


def _name(user: str, key: str, is_authority: bool) -> tuple[str, str, bool]:
    """Return an identifier that the line of a key and the notifier's entry about it have in common.

    key: a fingerprint. For a certificate, the fingerprint of its authority, a blank, and the names in the certificate.
    """
    fingerprint, blank, _certificate = key.partition(" ")
    return user, fingerprint, is_authority or bool(blank)


# -- records ----------------------------------------------------------------------------------------------------------


def _sum_up(record: dict[str, Any], people: Mapping[str, str], unused_days: int) -> None:
    """Add the fields to a record that are derived from all of its places."""
    opens = record["opens"]
    lasts = [place["last"] for place in opens if place["last"] is not None]
    uses = {place["use"] for place in opens if not place["refused"]}
    use = "closed" if not uses else "used" if "used" in uses else "unused" if uses == {"unused"} else "not known"
    record["person"] = people.get(record["fingerprint"], "")
    record["comments"] = list(dict.fromkeys(place["comment"] for place in opens if place["comment"]))
    record["use"] = use
    record["last"] = max(lasts) if lasts else None
    record["use_text"] = _use_text(record, unused_days)
    record["places"] = _grouped(
        (f"{place['user']} on ", place["host"], f", with {place['options']}" if place["options"] else "")
        for place in opens
        if not place["refused"]
    )
    record["refusals"] = _grouped(
        (f"{place['user']} on ", place["host"], f": {place['refused']}") for place in opens if place["refused"]
    )


def _use_text(record: Mapping[str, Any], unused_days: int) -> str:
    if record["use"] == "closed":
        return "opens nothing"
    if record["last"] is not None:
        late = f", more than {unused_days} days ago" if record["use"] == "unused" else ""
        return f"last used {_day(record['last'])}{late}"
    whys = _grouped((f"{place['why']} (", place["host"], ")") for place in record["opens"] if not place["refused"])
    return "; ".join([f"not used for {unused_days} days" if record["use"] == "unused" else "not known", *whys])


def _grouped(parts: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return one text for all hosts that have the same texts before and after their names."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for before, host, behind in parts:
        hosts.setdefault((before, behind), []).append(host)
    return [before + ", ".join(dict.fromkeys(names)) + behind for (before, behind), names in hosts.items()]


def _order(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a sort key: keys that open an account, have no known owner or are unused come first."""
    ranks = {"unused": 0, "not known": 1, "used": 2, "closed": 3}
    return (
        record["use"] == "closed", record["person"] != "", ranks[record["use"]], record["person"].lower(),
        record["comments"], record["fingerprint"],
    )  # fmt: skip


def _rows(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row for each place of a key, each used key without a file, each fault, failed host and note."""
    for record in report["records"]:
        for place in record["opens"]:
            row = {name: place[name] for name in place if name not in ("principals", "first", "last")}
            principals = " ".join(place["principals"])
            yield {**row, "person": record["person"], "principals": principals, **_moments(place)}
    for other in report["others"]:
        row = {name: other[name] for name in ("host", "user", "person")}
        why = "it was used, but is not in any file that was examined"
        yield {**row, "kind": "used", "fingerprint": other["key"], "why": why, "use": "used", **_moments(other)}
    for fault in report["faults"]:
        row = {name: fault[name] for name in ("host", "user", "file", "line")}
        yield {**row, "kind": "malformed", "refused": fault["reason"]}
    for host in report["hosts"]:
        if host["state"] != "examined":
            yield {"host": host["host"], "kind": host["state"], "why": host["problem"]}
        for note in host["notes"]:
            yield {"host": host["host"], "kind": "note", "why": note}


def _moments(entry: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "" if entry[name] is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry[name]))
        for name in MOMENTS
    }


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _option(name: str, value: object) -> str:
    if value is None:
        return name
    return '{}="{}"'.format(name, _text({"value": value}, "value").replace('"', '\\"'))


def _people(people: object) -> dict[str, str]:
    """Return the names of a map by fingerprint. An authority that has entries only for certificates gets a hint."""
    names: dict[str, str] = {}
    for entry, name in people.items() if isinstance(people, Mapping) else ():
        if isinstance(entry, str) and isinstance(name, str):
            if entry.startswith("SHA256:"):
                fingerprint, _blank, certificate = entry.partition(" ")
                names.setdefault(fingerprint, "named by its certificates" if certificate else _one_line(name))
                continue
            try:
                key = authorized_keys.parse(entry.encode("utf-8", "replace"))
            except authorized_keys.MalformedError:
                continue  # the module check_settings reports it
            if key is not None:
                names[key.fingerprint] = _one_line(name)
    return names


# -- the output of hosts ----------------------------------------------------------------------------------------------


def _status(answer: object) -> dict[str, Any] | None:
    """Return the notifier's status, None if the output is not a status."""
    if not isinstance(answer, str) or len(answer) > MAX_ANSWER_CHARACTERS:
        return None
    try:
        # Python's json accepts NaN and Infinity. Here they become texts, which are later rejected as numbers.
        status = json.loads(answer, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None


def _list(found: Mapping[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise NotUnderstoodError(f"{name} is not a list, or too long")
    return value


def _entries(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = _list(found, name)
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise NotUnderstoodError(f"an entry of {name} has the wrong type")
    return entries


def _text(found: Mapping[str, Any], name: str) -> str:
    """Return the text in one line. Every character that a terminal would interpret is escaped."""
    value = found.get(name)
    if not isinstance(value, str):
        raise NotUnderstoodError(f"{name} is not a text")
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in value[: MAX_TEXT_CHARACTERS + 1]
    )
    return shown if len(shown) <= MAX_TEXT_CHARACTERS else shown[: MAX_TEXT_CHARACTERS - 1] + "…"


def _number(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise NotUnderstoodError(f"{name} is not a possible number")
    return value


def _time(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MAX_NUMBER:
        raise NotUnderstoodError(f"{name} is not a possible time")
    return float(value)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Callable]:
        """Return the filters by name."""
        return {"keys_report": keys_report}
