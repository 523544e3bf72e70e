# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and checks the role's settings, as plain Python values without the types of YAML, Jinja and Vault."""

from __future__ import annotations

import datetime
import json
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
# The least similarity of two names without the prefix, for one to be a misspelling of the other: `label`, `host_label`.
ALIKE = 0.6
RENAME = f"give a variable of your own a name that does not begin with {settings.PREFIX}"
# The settings that are lists of rules for logins.
RULES = ("ignore", "mentions")
# Jinja's and Ansible's message about an undefined variable, and its name.
UNDEFINED = re.compile(r"'([A-Za-z_][A-Za-z0-9_]*)' is undefined")
# A lookup of an environment variable, and its name.
ENVIRONMENT = re.compile(r"""\benv['"]\s*,\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]""")


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given settings, each converted to the type of its default if its value allows that."""
    return {name: plain_setting(value, name) for name, value in given.items()}


def value_of(name: str, variables: Mapping[str, Any], template: Callable[[Any], Any]) -> Any:
    """Return the value of a setting. Raises any error of a template in it.

    variables: the host's variables, not yet evaluated. template: a function that evaluates one of them
    """
    written = variables.get(settings.PREFIX + name, DEFAULTS[name])
    # In a mapping, because ansible-core 2.19 and later drop `omit` from a mapping, and refuse it elsewhere.
    # Templates and Vault texts within the value may be evaluated only when they are read.
    return plain_setting(template({name: written}).get(name, DEFAULTS[name]), name)


def configuration_text(values: Mapping[str, Any]) -> str:
    """Return the notifier's configuration as JSON. Settings that the notifier does not read are left out."""
    read = {name: value for name, value in values.items() if name in settings.DEFAULTS}
    return json.dumps(read, ensure_ascii=False, indent=4, sort_keys=True)


def plain_setting(value: Any, name: str) -> Any:
    """Return the value of a setting, converted to the type of its default if possible; the default for `omit`.

    null means the empty text if that is the default. For other settings it stays null, and the checks refuse it.
    """
    default = DEFAULTS[name]
    if is_omitted(value) or (value is None and default == ""):
        return default
    return _typed(name, _plain(value), default)


def is_omitted(value: Any) -> bool:
    """Return whether the value is Ansible's `omit`: a text up to ansible-core 2.18, a special object since then."""
    if isinstance(value, str):
        return PLACEHOLDER.match(value) is not None
    # `_OmitType` in lib/ansible/_internal/_templating/_utils.py. No public module exports it.
    return type(value).__name__ == "_OmitType"


def _plain(value: Any) -> Any:
    """Return the value with Python's own types instead of Ansible's, and without omitted entries."""
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
    # Up to ansible-core 2.18, a variable whose whole value is a template is text, never a number or a boolean.
    if isinstance(default, bool) and isinstance(value, (str, int)):
        try:
            return boolean(value)
        except TypeError:
            return value
    if isinstance(default, int) and isinstance(value, str) and WHOLE_NUMBER.match(value):
        return int(value)
    return value


def _channel(entry: Any) -> Any:
    """Return an entry of `channels`, each value converted to the type of its key's default if possible."""
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
    """Return a rule that JSON can represent: in YAML, `until: 2027-03-31` without quotes is a date."""
    until = rule.get("until") if isinstance(rule, dict) else None
    if isinstance(until, datetime.date) and not isinstance(until, datetime.datetime):
        return {**rule, "until": until.isoformat()}
    return rule


def notices(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[str]:
    """Return warnings about settings that are valid but probably not intended, in whole sentences."""
    values, _unreadable = _read(["state", "ignore"], variables, template)
    rules = values["ignore"] if values["state"] != "absent" else []
    found = login_rules.without_reason(rules) + login_rules.weightless_root(rules)
    found += login_rules.ended(rules, time.time())
    return [sentence[:1].upper() + sentence[1:] + "." for sentence in found]


def problems(variables: Mapping[str, Any], template: Callable[[Any], Any], secrets: bool = True) -> list[str]:
    """Return the problems of a host's settings, each as "what is wrong: what to do".

    variables: the host's variables, not yet evaluated. template: a function that evaluates one of them. secrets:
    whether to check the secrets, too, for which Vault may need its password
    """
    misspelled = misspelled_settings(variables)
    state, _unreadable = _read(["state"], variables, template)
    removes = state.get("state") == "absent"
    names = settings.REMOVAL if removes else [name for name in DEFAULTS if secrets or name not in settings.SECRETS]
    values, unreadable = _read(names, variables, template)
    if not removes and not secrets:
        values["webhook_url"] = "https://localhost/"  # any valid URL
    # A setting that can't be evaluated has no value to check.
    check = settings.removal_problems if removes else settings.role_problems
    return misspelled + (unreadable or check(values))


def misspelled_settings(variables: Mapping[str, Any]) -> list[str]:
    """Return a problem for each variable whose name resembles that of a setting."""
    meant = {name: nearest(_short(name), DEFAULTS, ALIKE) for name in _unknown(variables)}
    return [
        f"{name} is not a variable of this role: write {settings.PREFIX}{setting}, or {RENAME}"
        for name, setting in meant.items()
        if setting
    ]


def foreign_variables(variables: Mapping[str, Any]) -> list[str]:
    """Return a warning for each other variable that has the prefix of the settings, but is not a setting."""
    return [
        f"{name} is not a variable of loginwatch.pam.ssh_login_notify, and changes nothing. Remove it, or {RENAME}."
        for name in _unknown(variables)
        if not nearest(_short(name), DEFAULTS, ALIKE)
    ]


def _short(name: str) -> str:
    return name[len(settings.PREFIX) :]


def _unknown(variables: Mapping[str, Any]) -> list[str]:
    """Return the variables that have the prefix of the settings, but are not settings and are not used by a setting.

    A variable that a setting uses is the user's own, such as ``ssh_login_notify_slack_webhook_url``.
    """
    known = {settings.PREFIX + name for name in (*DEFAULTS, *settings.RESULTS)}
    found = sorted(name for name in variables if name.startswith(settings.PREFIX) and name not in known)
    used = set(NAME.findall(" ".join(_texts([variables.get(name) for name in known])))) if found else set()
    return [name for name in found if name not in used]


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in an unevaluated value. Texts that are encrypted by Vault are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for entry in value.values() for text in _texts(entry))
    elif isinstance(value, (list, tuple)):
        yield from (text for entry in value for text in _texts(entry))


def _read(
    names: Iterable[str], variables: Mapping[str, Any], template: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values by name, and the problems: a value that can't be evaluated, or a secret that is empty."""
    values, wrong = {}, []
    for name in names:
        try:
            values[name] = value_of(name, variables, template)
        except Exception as error:  # any error of a user's template
            wrong.append(settings.PREFIX + name + _why_unreadable(name, error))
            continue
        written = variables.get(settings.PREFIX + name, DEFAULTS[name])
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
    """Return the reason as the end of a problem. For a secret, it shows at most a variable name from the message."""
    said = " ".join(str(error).split())
    if "decrypt" in said.lower():
        return " cannot be decrypted: give the right password of the vault, with --ask-vault-pass for example"
    undefined = UNDEFINED.search(said)
    if undefined:
        return f" uses the variable {undefined[1]}, which is undefined: define it, or correct its name"
    shown = "" if name in settings.SECRETS else f" ({said})"
    return f" has a template that fails{shown}: correct it"
