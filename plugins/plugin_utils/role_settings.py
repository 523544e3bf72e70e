# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's settings as plain Python values, whatever YAML, Jinja and Vault have made of them."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.loginwatch.pam.plugins.module_utils import channel_settings, login_rules, settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils.misspelling import nearest

DEFAULTS = {**settings.DEFAULTS, **settings.ROLE_DEFAULTS}
# `omit` up to ansible-core 2.18 (VariableManager.__init__ in lib/ansible/vars/manager.py).
PLACEHOLDER = re.compile(r"__omit_place_holder__[0-9a-f]{40}\Z")
WHOLE_NUMBER = re.compile(r"-?[0-9]+\Z")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# How alike two names without the prefix have to be, so that one is meant for the other: `label` for `host_label`.
ALIKE = 0.6
RENAME = f"give a variable of your own a name that does not begin with {settings.PREFIX}"
# The settings that are lists of rules for logins.
RULES = ("ignore", "mentions")
# The name in Jinja's and in Ansible's own words for an undefined variable.
UNDEFINED = re.compile(r"'([A-Za-z_][A-Za-z0-9_]*)' is undefined")
# The variable of the environment that a lookup reads.
ENVIRONMENT = re.compile(r"""\benv['"]\s*,\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]""")


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all of the given settings, each with the type of its default where its value allows that."""
    return {name: plain_setting(value, name) for name, value in given.items()}


def plain_setting(value: Any, name: str) -> Any:
    """Return a setting's value: its default for `omit`, and with the type of its default where the value allows that.

    null is the empty text where that is the default. Elsewhere it is an error: a list should not have become null.
    """
    default = DEFAULTS[name]
    if is_omitted(value) or (value is None and default == ""):
        return default
    return _typed(name, _plain(value), default)


def is_omitted(value: Any) -> bool:
    """Tell whether the value is Ansible's `omit`: a text up to ansible-core 2.18, and an object of its own since."""
    if isinstance(value, str):
        return PLACEHOLDER.match(value) is not None
    # `_OmitType` in lib/ansible/_internal/_templating/_utils.py. No public module has it.
    return type(value).__name__ == "_OmitType"


def _plain(value: Any) -> Any:
    """Return the value without the types of its own that Ansible gives it, and without entries that are omitted."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(entry) for key, entry in value.items() if not is_omitted(entry)}
    if isinstance(value, str) or getattr(value, "__ENCRYPTED__", False):
        return str(value)  # up to ansible-core 2.18 a text from Vault is an object that decrypts itself
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value if not is_omitted(entry)]
    return value


def _typed(name: str, value: Any, default: Any) -> Any:
    if name in RULES and isinstance(value, list):
        return [_with_text_for_a_date(rule) for rule in value]
    if name == "channels" and isinstance(value, list):
        return [_channel(entry) for entry in value]
    if name == "host_label" and isinstance(value, (bool, int, float)):
        return str(value)  # a label like 42 without quotes
    return _of_type(value, default)


def _of_type(value: Any, default: Any) -> Any:
    # Up to ansible-core 2.18 a variable that is a template by itself is text, never a number or a truth value.
    if isinstance(default, bool) and isinstance(value, (str, int)):
        try:
            return boolean(value)
        except TypeError:
            return value
    if isinstance(default, int) and isinstance(value, str) and WHOLE_NUMBER.match(value):
        return int(value)
    return value


def _channel(entry: Any) -> Any:
    """Return an entry of `channels` with values of the types of its kind's keys, where they allow that."""
    if not isinstance(entry, dict):
        return entry
    kind = entry.get("kind")
    keys = channel_settings.KINDS.get(kind, {}) if isinstance(kind, str) else {}
    defaults = {"notices": True, **{name: key.default for name, key in keys.items()}}
    return {key: _value_of_channel(key, value, defaults.get(key)) for key, value in entry.items()}


def _value_of_channel(key: str, value: Any, default: Any) -> Any:
    if key in ("only", "ignore") and isinstance(value, list):
        return [_with_text_for_a_date(rule) for rule in value]
    return _of_type(value, default)


def _with_text_for_a_date(rule: Any) -> Any:
    """Return a rule as JSON can have it: to YAML, `until: 2027-03-31` without quotes is a date."""
    until = rule.get("until") if isinstance(rule, dict) else None
    if isinstance(until, datetime.date) and not isinstance(until, datetime.datetime):
        return {**rule, "until": until.isoformat()}
    return rule


def notices(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[str]:
    """Return what to put right in settings that have no problem, in whole sentences."""
    values, _unreadable = _read(["state", "ignore"], variables, template)
    rules = values["ignore"] if values["state"] != "absent" else []
    found = login_rules.without_reason(rules) + login_rules.weightless_root(rules)
    found += login_rules.ended(rules, time.time())
    return [sentence[:1].upper() + sentence[1:] + "." for sentence in found]


def problems(variables: Mapping[str, Any], template: Callable[[Any], Any], secrets: bool = True) -> list[str]:
    """Return what is wrong with the settings among a host's variables, each as "what is wrong: what to do".

    variables: as they were written, with their templates. template: evaluates one of them. secrets: whether to look at
    the secrets, too, for which Vault may need its password.
    """
    misspelled = misspelled_settings(variables)
    state, _unreadable = _read(["state"], variables, template)
    removes = state.get("state") == "absent"
    names = settings.REMOVAL if removes else [name for name in DEFAULTS if secrets or name not in settings.SECRETS]
    values, unreadable = _read(names, variables, template)
    if not removes and not secrets:
        values["webhook_url"] = "https://localhost/"  # any that is all right
    # A setting that can't be read has no value to be checked.
    check = settings.removal_problems if removes else settings.role_problems
    return misspelled + (unreadable or check(values))


def misspelled_settings(variables: Mapping[str, Any]) -> list[str]:
    """Return a problem for each variable whose name looks like a setting's, but is none."""
    meant = {name: nearest(_short(name), DEFAULTS, ALIKE) for name in _unknown(variables)}
    return [
        f"{name} is not a variable of this role: write {settings.PREFIX}{setting}, or {RENAME}"
        for name, setting in meant.items()
        if setting
    ]


def foreign_variables(variables: Mapping[str, Any]) -> list[str]:
    """Return a warning for each variable that has the prefix of the settings, but no name like one of them."""
    return [
        f"{name} is not a variable of loginwatch.pam.ssh_login_notify, and changes nothing. Remove it, or {RENAME}."
        for name in _unknown(variables)
        if not nearest(_short(name), DEFAULTS, ALIKE)
    ]


def _short(name: str) -> str:
    return name[len(settings.PREFIX) :]


def _unknown(variables: Mapping[str, Any]) -> list[str]:
    """Return the variables with the prefix of the settings that are none, unless a setting uses them.

    A variable that a setting uses is its user's own, such as ``ssh_login_notify_slack_webhook_url``.
    """
    known = {settings.PREFIX + name for name in (*DEFAULTS, *settings.RESULTS)}
    found = sorted(name for name in variables if name.startswith(settings.PREFIX) and name not in known)
    used = set(NAME.findall(" ".join(_texts([variables.get(name) for name in known])))) if found else set()
    return [name for name in found if name not in used]


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value that nothing has evaluated. What Vault has encrypted is none of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for entry in value.values() for text in _texts(entry))
    elif isinstance(value, (list, tuple)):
        yield from (text for entry in value for text in _texts(entry))


def _read(
    names: Iterable[str], variables: Mapping[str, Any], template: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values by name, and a problem for each that can't be evaluated."""
    values, wrong = {}, []
    for name in names:
        written = variables.get(settings.PREFIX + name, DEFAULTS[name])
        try:
            # In a mapping, from which `omit` is left out since ansible-core 2.19; by itself it would be an error.
            # Templates in the value, and texts from Vault, may be evaluated only when they are read.
            values[name] = plain_setting(template({name: written}).get(name, DEFAULTS[name]), name)
        except Exception as error:  # whatever a template of the user's raises
            wrong.append(settings.PREFIX + name + _why_unreadable(name, error))
            continue
        variable = ENVIRONMENT.search(written) if values[name] == "" and _is_plain_text(written) else None
        if name in settings.SECRETS and variable:
            wrong.append(
                f"{settings.PREFIX}{name} is empty, because {variable[1]} is not in the environment of Ansible: run"
                f" `export {variable[1]}` in the shell that starts it"
            )
    return values, wrong


def _is_plain_text(value: Any) -> bool:
    return isinstance(value, str) and not getattr(value, "__ENCRYPTED__", False)


def _why_unreadable(name: str, error: Exception) -> str:
    """Return why, as the end of a problem. Of a secret, nothing of what Ansible says is shown but a variable's name."""
    said = " ".join(str(error).split())
    if "decrypt" in said.lower():
        return " cannot be decrypted: give the right password of the vault, with --ask-vault-pass for example"
    undefined = UNDEFINED.search(said)
    if undefined:
        return f" uses the variable {undefined[1]}, which is undefined: define it, or correct its name"
    shown = "" if name in settings.SECRETS else f" ({said})"
    return f" has a template that fails{shown}: correct it"
