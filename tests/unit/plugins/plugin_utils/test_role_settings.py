# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""role_settings: every variable of the role with every kind of wrong value, and names that are not variables of it.

tests/unit/role/test_settings.py has the values as Jinja and Vault return them.
"""

import copy
import datetime
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.loginwatch.pam.plugins.module_utils import login_rules, settings
from ansible_collections.loginwatch.pam.plugins.plugin_utils import role_settings

PROJECT = Path(__file__).resolve().parents[4]
PREFIX = "ssh_login_notify_"
SPECIFICATION = yaml.safe_load(
    (PROJECT / "roles" / "ssh_login_notify" / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
)["argument_specs"]["main"]["options"]
VALIDATOR = ArgumentSpecValidator(copy.deepcopy(SPECIFICATION))
NAMES = sorted(name[len(PREFIX) :] for name in SPECIFICATION)
SECRET = "not-a-real-secret"  # noqa: S105
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/" + SECRET
OMIT = "__omit_place_holder__" + "0a" * 20
# Each with the words for its type.
WRONG = {
    "null": (None, "null"),
    "empty": ("", "an empty text"),
    "text": ("some text", "text"),
    "text-secret": (SECRET, "text"),
    "text-list": ("a,b", "text"),
    "json": ('["x"]', "text"),
    "word": ("no", "text"),
    "number-text": ("5", "text"),
    "number": (5, "a whole number"),
    "negative": (-1, "a whole number"),
    "fraction": (1.5, "a number with a fraction"),
    "true": (True, "true or false"),
    "false": (False, "true or false"),
    "empty-list": ([], "a list"),
    "list": (["x"], "a list"),
    "list-of-null": ([None], "a list"),
    "list-of-numbers": ([5], "a list"),
    "list-of-lists": ([["x"]], "a list"),
    "list-of-mappings": ([{"a": "b"}], "a list"),
    "empty-mapping": ({}, "a mapping"),
    "mapping": ({"a": "b"}, "a mapping"),
    "mapping-of-null": ({"user": None}, "a mapping"),
    "date": (datetime.date(2026, 1, 2), "a date"),
    "time": (datetime.datetime(2026, 1, 2, 3, 4), "a date"),
    "set": ({"x"}, "of another type"),
}


def problems(secrets=True, template=lambda value: value, **values):
    given = {PREFIX + name: value for name, value in {"webhook_url": WEBHOOK, **values}.items()}
    return role_settings.problems({"inventory_hostname": "web", **given}, template, secrets)


def meant(name, value):
    """Return the value for the role and the notifier."""
    return role_settings.plain_setting(value, name)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_taken_or_refused_by_one_sentence_with_its_type_and_what_to_write(name, kind):
    value, words = WRONG[kind]
    found = problems(**{name: copy.deepcopy(value)})
    assert SECRET not in str(found)
    default = role_settings.DEFAULTS[name]
    if not found:
        assert type(meant(name, value)) is type(default)
        return
    # In `people`, both a fingerprint and a name can be wrong.
    assert len(found) == 1 or name == "people", found
    what, colon, fix = found[0].partition(": ")
    assert colon
    assert PREFIX + name in what
    assert fix.strip()
    if type(meant(name, value)) is not type(default):
        assert f"is {words}, and must be {settings.TYPE_NAMES[type(default)]}" in what


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_ansible_s_own_validation_refuses_nothing_that_is_taken(name, kind):
    """With `roles`, Ansible validates the variables by their documented types before the role's first task."""
    value = WRONG[kind][0]
    if not problems(**{name: copy.deepcopy(value)}):
        validated = VALIDATOR.validate({PREFIX + name: copy.deepcopy(value)}, validate_role_argument_spec=True)
        assert validated.error_messages == []


@pytest.mark.parametrize("name", NAMES)
def test_omit_is_the_default(name):
    found = problems(**{name: OMIT})
    assert meant(name, OMIT) == role_settings.DEFAULTS[name]
    # Without a webhook nothing works.
    assert found == [] or (name == "webhook_url" and "is not set" in found[0])


@pytest.mark.parametrize("name", ["ignore", "mentions"])
def test_a_date_without_quotes_is_the_text_of_it(name):
    mention = {"mention": "<!here>"} if name == "mentions" else {}
    rule = {"user": "x", "until": datetime.date(2027, 3, 31), **mention}
    assert meant(name, [rule]) == [{**rule, "until": "2027-03-31"}]
    assert problems(**{name: [rule]}) == []
    (problem,) = problems(**{name: [{**rule, "until": datetime.datetime(2027, 3, 31, 12)}]})
    assert problem.startswith(f"rule 1 of {PREFIX}{name} has a value for until that is empty or is not text: write it")
    (problem,) = problems(**{name: [{**mention, "user": datetime.date(2027, 3, 31)}]})
    assert "has a value for user that" in problem


# The kinds of values that keys of a rule accept. Every key refuses all other kinds.
TAKEN = {"list", "text", "text-secret", "text-list", "json", "word", "number-text"}


@pytest.mark.parametrize("kind", sorted(set(WRONG) - TAKEN))
@pytest.mark.parametrize("key", [*login_rules.KEYS, login_rules.MENTION])
def test_a_value_of_the_wrong_type_in_a_rule_is_refused_with_its_key(key, kind):
    if key == "until" and kind == "date":
        return  # accepted, see above
    name = "mentions" if key == login_rules.MENTION else "ignore"
    rule = {"user": "x", "hours": "22:00-06:00", key: copy.deepcopy(WRONG[kind][0])}
    (problem,) = problems(**{name: [rule]})
    assert problem.startswith(f"rule 1 of {PREFIX}{name} ")
    said = f"has a value for {key} that is empty or is not text: write it as text"
    assert said in problem or (name == "mentions" and "mentions nobody: write mention: '<!here>', " in problem)


def test_what_to_put_right_in_rules_is_a_whole_sentence_and_none_before_a_removal():
    rules = [{"user": "x", "until": datetime.date(2020, 1, 1)}]
    variables = {PREFIX + "ignore": rules}
    found = role_settings.notices(variables, lambda value: value)
    assert [sentence[:6] + sentence[-1] for sentence in found] == ["Rule 1.", "Rule 1."]
    assert role_settings.notices({**variables, PREFIX + "state": "absent"}, lambda value: value) == []
    assert role_settings.notices({}, lambda value: value) == []


def test_omit_is_left_out_of_a_list_and_of_a_mapping():
    assert meant("accept", ["managed_file", OMIT]) == ["managed_file"]
    assert meant("people", {"a": OMIT, "b": "Ada"}) == {"b": "Ada"}


@pytest.mark.parametrize("name", NAMES)
def test_null_is_an_empty_text_where_that_is_the_default_and_is_refused_elsewhere(name):
    assert meant(name, None) == ("" if role_settings.DEFAULTS[name] == "" else None)


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("offline", "yes", True), ("offline", 0, False), ("offline", "False", False), ("most_waiting", "20", 20),
        ("longest_silence", "-1", -1), ("host_label", 42, "42"), ("host_label", True, "True"),
        ("host_label", 1.5, "1.5"),
        ("offline", "maybe", "maybe"), ("most_waiting", "1.5", "1.5"), ("pam_services", ("sshd",), ["sshd"]),
    ],
)  # fmt: skip
def test_a_text_that_stands_for_a_value_becomes_it(name, value, becomes):
    assert meant(name, value) == becomes
    assert type(meant(name, value)) is type(becomes)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("host_lable", "host_label"), ("label", "labels"), ("webhook", "webhook_url"),
        ("pam_service", "pam_services"),
        ("ca_flie", "ca_file"), ("ignored", "ignore"), ("remove_spol", "remove_spool"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_misspelled_name_is_refused_with_the_one_that_was_meant(name, setting, state):
    (problem,) = problems(state=state, **{name: "x"})
    assert problem.startswith(f"{PREFIX}{name} is not a variable of this role: write {PREFIX}{setting}, or ")


def test_a_variable_that_a_setting_uses_is_its_user_s_own():
    own = {"slack_webhook_url": WEBHOOK, "hosts_label": {"web": "x"}}
    assert len(problems(**own)) == 2
    template = {
        "webhook_url": "{{ ssh_login_notify_slack_webhook_url }}",
        "accept": ["{{ ssh_login_notify_hosts_label.web }}"],
    }
    evaluated = {"webhook_url": WEBHOOK, "accept": ["managed_file"]}
    assert problems(template=lambda value: {**value, **{name: evaluated[name] for name in value if name in evaluated}},
                    **own, **template) == []  # fmt: skip


def test_other_names_with_the_prefix_are_a_warning_and_results_are_not_even_that():
    variables = {PREFIX + name: "x" for name in ("host", "adopted", "test_alert", "zzz", "proxy")}
    (warning,) = role_settings.foreign_variables({**variables, "__" + PREFIX + "own": "x"})
    assert warning.startswith(f"{PREFIX}zzz is not a variable of loginwatch.pam.ssh_login_notify, ")
    assert problems(zzz="x", host={}) == []


def raising(error):
    def template(value):
        if any("{{" in str(entry) for entry in value.values()):
            raise error
        return value

    return template


@pytest.mark.parametrize("name", NAMES)
def test_a_template_that_fails_has_the_name_of_its_variable(name):
    undefined = ValueError(f"'nowhere' is undefined. {SECRET if name in settings.SECRETS else ''}")
    (problem,) = problems(template=raising(undefined), **{name: "{{ nowhere }}"})
    assert problem == f"{PREFIX}{name} uses the variable nowhere, which is undefined: define it, or correct its name"
    (problem,) = problems(template=raising(ZeroDivisionError(SECRET)), **{name: "{{ 1 / 0 }}"})
    assert problem.startswith(f"{PREFIX}{name} has a template that fails")
    assert (SECRET in problem) == (name not in settings.SECRETS)


@pytest.mark.parametrize("said", ["Decryption failed (no vault secrets were found that could decrypt)",
                                  "Attempting to decrypt but no vault secrets found"])  # fmt: skip
def test_what_vault_can_not_decrypt_is_said_with_the_option_for_its_password(said):
    (problem,) = problems(template=raising(ValueError(said)), webhook_url="{{ vault }}")
    assert problem.startswith(f"{PREFIX}webhook_url cannot be decrypted: ")
    assert "--ask-vault-pass" in problem


def test_without_the_secrets_nothing_of_them_is_read():
    template = raising(ValueError("Decryption failed"))
    assert problems(secrets=False, template=template, webhook_url="{{ vault }}", heartbeat_ping_url="{{ vault }}") == []
    (problem,) = problems(secrets=False, template=template, webhook_url="{{ vault }}", pam_services="sshd")
    assert problem.startswith(f"{PREFIX}pam_services is text, and must be a list: write [sshd]")


def test_a_removal_reads_nothing_but_what_it_needs():
    wrong = {name: "{{ vault }}" for name in NAMES if name not in settings.REMOVAL}
    assert problems(template=raising(ValueError("Decryption failed")), **{**wrong, "state": "absent"}) == []
    (problem,) = problems(state="absent", remove_spool="maybe", webhook_url="")
    assert problem.startswith(f"{PREFIX}remove_spool is text, and must be true or false")


@pytest.mark.parametrize(
    "lookup", ["lookup('ansible.builtin.env', 'SLACK_WEBHOOK')", 'lookup("env", "SLACK_WEBHOOK") | trim']
)
def test_a_webhook_from_an_environment_variable_that_is_not_set_says_which(lookup):
    def template(value):
        return {name: "" if "{{" in str(each) else each for name, each in value.items()}

    (problem,) = problems(template=template, webhook_url="{{ " + lookup + " }}")
    assert problem.startswith(f"{PREFIX}webhook_url is empty, because SLACK_WEBHOOK is not in the environment")
    assert "`export SLACK_WEBHOOK`" in problem
    (problem,) = problems(template=template, webhook_url="{{ none_of_that }}")
    assert "is not set" in problem


def test_the_values_of_a_channel_have_the_types_of_its_kind_whatever_jinja_and_yaml_made_of_them():
    """Up to ansible-core 2.18 a value that is one template is text, and so is a date without quotes."""
    rule = {"user": "ada", "until": datetime.date(2027, 3, 31)}
    given = [
        {"name": "a", "kind": "email", "port": "25", "notices": "no", "password": None, "only": [rule], "ignore": OMIT},
        {"name": "b", "kind": "slack_app", "threads": "yes", "token": "5"},
        {"name": "c", "kind": "unknown", "port": "25"},
        {"name": "d", "kind": ["email"], "port": "25"},
        "text",
        OMIT,
    ]
    assert meant("channels", given) == [
        {"name": "a", "kind": "email", "port": 25, "notices": False, "password": None,
         "only": [{"user": "ada", "until": "2027-03-31"}]},
        {"name": "b", "kind": "slack_app", "threads": True, "token": "5"},
        {"name": "c", "kind": "unknown", "port": "25"},
        {"name": "d", "kind": ["email"], "port": "25"},
        "text",
    ]  # fmt: skip
