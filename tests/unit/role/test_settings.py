# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's settings reach the host as the user meant them, through YAML, Jinja and Vault of each ansible-core.

tests/unit/plugins/plugin_utils/test_role_settings.py covers the messages for every kind of value.
"""

import json
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
ROLE = PROJECT / "roles" / "ssh_login_notify"
SECRET = "not-a-real-secret"  # noqa: S105
WEBHOOK = "https://hooks.slack.example/services/T00000000/B00000000/" + SECRET
# Values that YAML turns into something other than the intended text.
ODD_LABELS = {42: "42", None: "", 1.5: "1.5", True: "True", "web-3": "web-3"}


def play(ansible, directory, tasks, variables, *options, hosts="localhost", password="not-a-real-password"):  # noqa: S107
    """Run tasks on the controller, with the role's defaults and variables. Return the completed process."""
    text = yaml.safe_dump(
        [
            {
                "hosts": hosts,
                "gather_facts": False,
                "vars_files": [
                    *([] if options else [str(ROLE / "defaults" / "main.yml")]),
                    str(ROLE / "vars" / "main.yml"),
                    "settings.yml",
                ],
                "tasks": tasks,
            }
        ]
    )
    (directory / "play.yml").write_text(text, encoding="utf-8")
    (directory / "settings.yml").write_text(variables, encoding="utf-8")
    (directory / "password").write_text(password)
    options = ("--vault-password-file", directory / "password", *options)
    return ansible("ansible-playbook", "-vvv", "--diff", directory / "play.yml", *options)


def vaulted(ansible, name, text, directory):
    """Return a variable as `ansible-vault encrypt_string` writes it."""
    (directory / "password").write_text("not-a-real-password")
    password = ("--vault-password-file", directory / "password")
    done = ansible("ansible-vault", "encrypt_string", *password, "--name", name, text)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Characters with a special meaning in JSON, Python, YAML or a shell.
HARD_SECRET = """not-a-real-secret: '"\\\\ {%raw% <>&|; #${IFS}`é"""  # noqa: S105


def vaulted_channels(ansible, directory):
    """Return the channels with single values in Vault, in a template and in a mapping within an entry."""
    url, headers, password = (
        vaulted(ansible, name, text, directory).replace("\n", "\n    ").rstrip()
        for name, text in (("url", HARD_SECRET + "/discord"), ("X-Key", HARD_SECRET), ("password", HARD_SECRET))
    )
    return f"""
ssh_login_notify_channels:
  - name: chat
    kind: discord
    {url}
  - name: relay
    kind: json
    url: "{{{{ secret }}}}"
    headers:
      {headers}
  - name: threads
    kind: slack_app
    token: xoxb-not-a-real-token
    channel: C0123456789
    logouts: "{{{{ not mine.no }}}}"
  - name: mail
    kind: email
    port: "{{{{ mine.most }}}}"
    notices: "{{{{ mine.no }}}}"
    {password}
    only:
      - user: ada
        until: 2027-03-31
"""


def check(ansible, directory, variables):
    return play(ansible, directory, [{"ansible.builtin.import_tasks": str(ROLE / "tasks" / "settings.yml")}], variables)


def test_secrets_in_vault_are_checked_and_never_shown(ansible, tmp_path):
    webhook = vaulted(ansible, "ssh_login_notify_webhook_url", WEBHOOK, tmp_path)
    channel = "\nssh_login_notify_channels:\n  - name: ops\n    kind: discord\n    "
    url = vaulted(ansible, "url", "https://relay.example/" + SECRET, tmp_path)
    well = check(ansible, tmp_path, webhook + channel + url)
    assert well.returncode == 0, well.stdout[-2000:]
    bad = [vaulted(ansible, name, WEBHOOK + " ", tmp_path) for name in ("ssh_login_notify_webhook_url", "url")]
    wrong = check(ansible, tmp_path, bad[0] + channel + bad[1])
    assert wrong.returncode != 0
    said = " ".join(wrong.stdout.replace("\\n", " ").split())
    assert "Nothing was changed. ssh_login_notify_webhook_url contains a space" in said
    assert ". Url of the channel ops of ssh_login_notify_channels contains a space" in said
    assert SECRET not in well.stdout + well.stderr + wrong.stdout + wrong.stderr


def test_the_configuration_of_templates_and_vault_has_the_types_that_the_notifier_wants(ansible, tmp_path):
    variables = (
        yaml.safe_dump(
            {
                "mine": {"most": 20, "hours": 26, "no": False, "name": "Ada Lovelace"},
                "ssh_login_notify_host": {"scheduler": "systemd", "sandbox_without": []},
                "ssh_login_notify_webhook_url": "{{ secret }}",
                "ssh_login_notify_most_waiting": "{{ mine.most }}",
                "ssh_login_notify_longest_silence": "{{ mine['hours'] }}",
                "ssh_login_notify_heartbeat_message": "{{ mine.no }}",
                "ssh_login_notify_allow_http": "yes",
                "ssh_login_notify_people": {"SHA256:" + "x" * 43: "{{ mine.name }}"},
            }
        )
        + vaulted(ansible, "secret", WEBHOOK, tmp_path)
        + vaulted_channels(ansible, tmp_path)
    )
    # As the role writes it: to be tested, and to be installed.
    done = play(
        ansible, tmp_path,
        [{"ansible.builtin.template": {"dest": str(tmp_path / "made"), "mode": "0600",
                                       "src": str(ROLE / "templates" / "ssh-notify.conf.j2")}, "diff": False},
         {"loginwatch.pam.installed_files": {"files": [{"path": str(tmp_path / "installed"), "mode": "0600",
                                       "secret_variable": "__ssh_login_notify_configuration_text"}]}},
         {"ansible.builtin.copy": {"dest": str(tmp_path / "host"), "mode": "0600",
                                   "content": "{{ __ssh_login_notify_host_files[0].content }}"}}],
        variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    made = json.loads((tmp_path / "made").read_text())
    assert json.loads((tmp_path / "installed").read_text()) == made
    given = {name: made[name] for name in ("webhook_url", "most_waiting", "longest_silence", "people")}
    assert given == {
        "webhook_url": WEBHOOK,
        "most_waiting": 20,
        "longest_silence": 26,
        "people": {"SHA256:" + "x" * 43: "Ada Lovelace"},
    }
    assert (made["heartbeat_message"], made["allow_http"]) == (False, True)
    assert "adopt_files" not in made
    assert made["channels"] == [
        {"name": "chat", "kind": "discord", "url": HARD_SECRET + "/discord"},
        {"name": "relay", "kind": "json", "url": WEBHOOK, "headers": {"X-Key": HARD_SECRET}},
        {"name": "threads", "kind": "slack_app", "token": "xoxb-not-a-real-token", "channel": "C0123456789",
         "logouts": True},
        {"name": "mail", "kind": "email", "port": 20, "password": HARD_SECRET, "notices": False,
         "only": [{"user": "ada", "until": "2027-03-31"}]},
    ]  # fmt: skip
    # One of them reports the ends of connections, so the host must watch them.
    host = json.loads((tmp_path / "host").read_text())
    assert host == {"scheduler": "systemd", "sandbox_without": [], "logouts": True}
    assert HARD_SECRET not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


NOWHERE = "{{ nowhere | default(omit) }}"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
BARE = {"ssh_login_notify_ignore": [{"user": "x", "until": "{{ '2020-01-' ~ '31' }}"}, {"user": "y", "reason": "z"}]}
OMITTED = {name: NOWHERE for name in DEFAULTS if name != "ssh_login_notify_webhook_url"}
# Hosts with one variable each that fails only in Ansible itself, and the task's message.
FAILING = {
    "undefined": ({"host_label": "{{ nowhere }}"}, "host_label uses the variable nowhere, which is undefined: "),
    "secret-undefined": ({"webhook_url": "{{ nowhere }}"}, "webhook_url uses the variable nowhere, which is undefined"),
    "in-a-list": ({"pam_services": ["{{ nowhere }}"]}, "pam_services uses the variable nowhere, which is undefined: "),
    "broken": ({"host_label": "{{ 1 +"}, "host_label has a template that fails ("),
    "failing": ({"longest_silence": "{{ 1 // 0 }}"}, "longest_silence has a template that fails ("),
    "text-for-a-list": ({"pam_services": "{{ 'sshd' }}"}, "pam_services is text, and must be a list: write [sshd]"),
    "null": ({"people": "{{ none }}"}, "people is "),
    "environment": ({"webhook_url": "{{ lookup('ansible.builtin.env', 'NOT_EXPORTED') }}"},
                    "webhook_url is empty, because NOT_EXPORTED is not in the environment"),
    "misspelled": ({"host_lable": "web"},
                   "host_lable is not a variable of this role: write ssh_login_notify_host_label"),
    "vaulted": ({"webhook_url": "{{ theirs }}"}, "webhook_url cannot be decrypted: give the right password"),
    "vaulted-channel": ({"channels": [{"name": "ops", "kind": "discord", "url": "{{ theirs }}"}]},
                        "channels cannot be decrypted: give the right password"),
    "undefined-channel": ({"channels": [{"name": "ops", "kind": "discord", "url": "{{ nowhere }}"}]},
                          "channels uses the variable nowhere, which is undefined: "),
    "failing-channel": ({"channels": [{"name": "ops", "kind": "json", "url": WEBHOOK, "key": "{{ 1 // 0 }}"}]},
                        "channels has a template that fails: correct it"),
}  # fmt: skip


# An action that writes a text on the controller, without a module or another process.
KEEP = """
import json
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        content = self._task.args["content"]
        with open(self._task.args["dest"], "w") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return {"changed": False}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, ansible):
    """The messages of the settings check for some hosts, in one run: {host: text, …}, and the whole output."""
    directory = tmp_path_factory.mktemp("fleet")
    hosts = {
        host: {f"ssh_login_notify_{name}": value for name, value in values.items()}
        for host, (values, _said) in FAILING.items()
    }
    hosts.update(omitting=OMITTED, well={}, bare=BARE, too=BARE)
    hosts.update({f"label-{label}": {"ssh_login_notify_host_label": label} for label in ODD_LABELS})
    common = {**DEFAULTS, "ssh_login_notify_webhook_url": WEBHOOK,
              "ansible_connection": "local", "ansible_python_interpreter": sys.executable}  # fmt: skip
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
    private = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    # The variables that tasks read, and not the whole configuration.
    read = [name for name, value in private.items() if isinstance(value, str) and "'loginwatch.pam.setting'" in value]
    shown = " ~ ' ' ~ ".join(f"{name} | to_json" for name in read)
    tasks = [
        {"block": [
            {"ansible.builtin.import_tasks": str(ROLE / "tasks" / "settings.yml")},
            {"keep": {"dest": f"{directory}/{{{{ inventory_hostname }}}}.conf",
                      "content": "{{ lookup('loginwatch.pam.configuration') | string }}"},
             "no_log": True},
            {"keep": {"dest": f"{directory}/{{{{ inventory_hostname }}}}.said",
                      "content": f"{{{{ 'read: ' ~ {shown} }}}}"}},
        ], "rescue": [
            {"keep": {"dest": f"{directory}/{{{{ inventory_hostname }}}}.said",
                      "content": "{{ ansible_failed_result.msg }}"}},
        ]},
    ]  # fmt: skip
    (directory / "action_plugins").mkdir()
    (directory / "action_plugins" / "keep.py").write_text(KEEP)
    theirs = vaulted(ansible, "theirs", WEBHOOK, directory)
    inventory = ("--inventory", directory / "hosts.yml")
    done = play(ansible, directory, tasks, theirs, *inventory, hosts="all", password="another")  # noqa: S106
    assert {path.stem for path in directory.glob("*.said")} == set(hosts), done.stdout[-3000:] + done.stderr[-3000:]
    said = {host: (directory / f"{host}.said").read_text() for host in hosts}
    return said, done.stdout + done.stderr, directory, [name[2:] for name in read]


@pytest.mark.each
@pytest.mark.parametrize("host", FAILING)
def test_what_ansible_can_not_evaluate_is_said_with_the_name_of_the_setting(fleet, host):
    said, output, _directory, _read = fleet
    assert said[host].startswith("Nothing was changed. ssh_login_notify_" + FAILING[host][1])
    assert said[host].count("ssh_login_notify_") <= 3
    assert SECRET not in output
    assert "Traceback" not in output


def test_omit_is_the_default_in_what_tasks_read_and_in_the_configuration(fleet):
    said, _output, directory, read = fleet
    assert said["well"] == said["omitting"]
    assert said["well"].partition(": ")[2] == " ".join(json.dumps(DEFAULTS[name]) for name in read)
    made, omitting = [json.loads((directory / f"{host}.conf").read_text()) for host in ("well", "omitting")]
    assert made == omitting
    assert made.pop("webhook_url") == WEBHOOK
    assert made == {name: DEFAULTS["ssh_login_notify_" + name] for name in made}


def test_what_to_put_right_in_a_rule_is_one_warning_for_all_hosts(fleet):
    _said, output, directory, _read = fleet
    shown = " ".join(output.split())
    for words in ("has no reason, which the next release requires:", "ended on 2020-01-31 and matches no login any"):
        assert shown.count(f"[WARNING]: Rule 1 of ssh_login_notify_ignore {words}") == 1
    made = [json.loads((directory / f"{host}.conf").read_text())["ignore"] for host in ("bare", "too")]
    assert made[0] == made[1] == [{"user": "x", "until": "2020-01-31"}, {"user": "y", "reason": "z"}]


@pytest.mark.each
@pytest.mark.parametrize("label", ODD_LABELS)
def test_a_label_that_yaml_takes_for_something_else_is_a_text_to_the_notifier(fleet, label):
    _said, _output, directory, _read = fleet
    assert json.loads((directory / f"label-{label}.conf").read_text())["host_label"] == ODD_LABELS[label]


def test_all_that_is_wrong_is_said_at_once(ansible, tmp_path):
    variables = {
        "ssh_login_notify_webhook_url": WEBHOOK,
        "ssh_login_notify_proxy": "proxy",
        "ssh_login_notify_ignore": [{"user": "robot"}, {"from": "10.0.0.5/8"}],
    }
    done = check(ansible, tmp_path, yaml.safe_dump(variables))
    assert done.returncode != 0
    assert (
        "Nothing was changed. ssh_login_notify_proxy is not http://host:port or http://user:password@host:port: write"
        " it so, without a path, and percent-encode what is not a letter or a digit in the user and the password, as"
        " %40 for @. Rule 2 of ssh_login_notify_ignore cannot compare an address, because '10.0.0.5/8' is an address in"
        " a network: write 10.0.0.0/8 for the network, 10.0.0.5 for the address." in done.stdout
    )


def test_cron_gets_the_time_of_the_heartbeat_and_a_name_that_is_no_setting_is_refused(ansible, tmp_path):
    """In a real run, because Ansible's loader of collections finds the lookups."""
    shown = {"cron": "{{ lookup('loginwatch.pam.setting', 'heartbeat_time', as_cron=true) }}"}
    variables = yaml.safe_dump({"ssh_login_notify_heartbeat_time": "{{ day }},Thu 08:30", "day": "Mon"})
    done = play(ansible, tmp_path, [{"ansible.builtin.debug": {"msg": shown}}], variables)
    assert '"cron": "30 8 * * 1,4"' in done.stdout
    unknown = "{{ lookup('loginwatch.pam.setting', 'tme') }}"
    done = play(ansible, tmp_path, [{"ansible.builtin.debug": {"msg": unknown}}], variables)
    assert done.returncode != 0
    assert "tme is not a variable of this role" in done.stdout + done.stderr
