# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: JSON, root's alone (0600), written by the role."""

import copy
import ipaddress
import json
import os
import time
from urllib.parse import urlsplit

from . import client_networks, login_types, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

PATH = paths.CONFIGURATION
AGAIN = "run the role again"
DEFAULTS: "Dict[str, Any]" = {
    "host_label": "",
    "allow_http": False,
    "ca_file": "",
    "proxy": "",
    "people": {},
    "ignore": [],
    "pam_services": ["sshd"],
    "accept": [],
    "heartbeat_message": True,
    "heartbeat_ping_url": "",
    "longest_silence": 0,
    "most_waiting": 10000,
    "most_waiting_mib": 64,
}
TYPE_NAMES = {str: "text", bool: "true or false", dict: "an object", list: "a list", int: "a whole number"}
LEAST = {"longest_silence": 0, "most_waiting": 1, "most_waiting_mib": 1}
# Where Slack's webhooks are, and which of them take messages.
SLACKS_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
INCOMING = "/services/"
WORKFLOWS = ("/triggers/", "/workflows/")
ACCEPTABLE = ("user_environment", "managed_file", "writable_directories")
RULE_KEYS = ("user", "from", "key", "type")
TYPES = (
    login_types.INTERACTIVE,
    login_types.COMMAND,
    login_types.SFTP_OR_SCP,
    login_types.SCP,
    login_types.RSYNC,
    login_types.GIT,
    login_types.TUNNEL,
    login_types.UNKNOWN,
    login_types.COMMAND_OVER,
    login_types.SOMETHING_OVER,
    login_types.TERMINAL_OVER,
)


class ConfigurationError(Exception):
    """What is wrong with the configuration, in one sentence that names the mend and never a secret."""


class Configuration:
    """webhook_url: a secret. host_label: the server's name in alerts, "" for the host's own. allow_http: accept http://.
    ca_file: PEM, "" for the system's authorities. proxy: http://host:port, "" for none. people: names by fingerprint.
    ignore: rules (see rules.py) for logins that need no message. pam_services: those that should have the PAM line.
    accept: what is wrong with the host and is not to be told (see health.py).
    heartbeat_message: whether a heartbeat is a message. heartbeat_ping_url: a dead man's switch to tell of it, "" for
    none; a secret too. longest_silence: hours without a delivery after which something is wrong, 0 for never.
    most_waiting, most_waiting_mib: how many alerts may wait, and how many MiB of them.
    exposed: others than root may read the file, and so know the secrets.
    """

    def __init__(self, values: "Dict[str, Any]", exposed: bool = False) -> None:
        """Take values from a file; raise ConfigurationError for the first that is wrong."""
        _check(values)
        merged = copy.deepcopy(dict(DEFAULTS, **values))
        self.exposed = exposed
        self.webhook_url: str = merged["webhook_url"]
        self.host_label: str = merged["host_label"]
        self.allow_http: bool = merged["allow_http"]
        self.ca_file: str = merged["ca_file"]
        self.proxy: str = merged["proxy"]
        self.people: Dict[str, str] = merged["people"]
        self.ignore: List[Dict[str, str]] = merged["ignore"]
        self.pam_services: List[str] = merged["pam_services"]
        self.accept: List[str] = merged["accept"]
        self.heartbeat_message: bool = merged["heartbeat_message"]
        self.heartbeat_ping_url: str = merged["heartbeat_ping_url"]
        self.longest_silence: int = merged["longest_silence"]
        self.most_waiting: int = merged["most_waiting"]
        self.most_waiting_mib: int = merged["most_waiting_mib"]

    @property
    def webhook_host(self) -> str:
        """The webhook's host: all of it that may be shown."""
        return urlsplit(self.webhook_url).hostname or ""


def load(path: str = PATH) -> Configuration:
    """Read the configuration; raise ConfigurationError."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(1 << 20)
    except FileNotFoundError:
        raise ConfigurationError(f"{path} is missing: {AGAIN}") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read ({error.strerror}): {AGAIN}") from None
    if status.st_uid != 0 or status.st_mode & 0o022:
        # Whoever may write it could lead every alert elsewhere.
        raise ConfigurationError(f"{path} must be root's alone, it holds the webhook: chown root:root, chmod 0600")
    try:
        values = json.loads(raw.decode("utf-8"))
    except ValueError:  # which may quote the text, and so the webhook
        raise ConfigurationError(f"{path} is not JSON: {AGAIN}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} is not a JSON object: {AGAIN}")
    # Exposed is no reason to fall silent: the alerts go on, and one of them tells of it.
    return Configuration(values, exposed=bool(status.st_mode & 0o044))


def changed_at() -> float:
    """Return when the configuration was last written, in seconds since the epoch; 0 if that can't be told."""
    try:
        written_at = os.stat(PATH).st_mtime
    except OSError:
        return 0.0
    return written_at if written_at <= time.time() else 0.0  # the clock was set back since


def _check(values: "Dict[str, Any]") -> None:
    unknown = sorted(set(values) - set(DEFAULTS) - {"webhook_url"})
    if unknown:
        raise ConfigurationError("the configuration holds {}, unknown here: {}".format(", ".join(unknown), AGAIN))
    for name in DEFAULTS:
        if name in values and type(values[name]) is not type(DEFAULTS[name]):
            wanted = TYPE_NAMES[type(DEFAULTS[name])]
            raise ConfigurationError(f"{name} must be {wanted}: correct ssh_login_notify_{name} and {AGAIN}")
    _check_numbers(values)
    _check_address("webhook_url", values.get("webhook_url"), values.get("allow_http", False))
    if values.get("heartbeat_ping_url"):
        _check_address("heartbeat_ping_url", values["heartbeat_ping_url"], values.get("allow_http", False))
    services = values.get("pam_services", [])
    if not all(isinstance(service, str) and service and "/" not in service for service in services):
        raise ConfigurationError("pam_services must hold names of services: correct ssh_login_notify_pam_services")
    if not set(values.get("accept", [])) <= set(ACCEPTABLE):
        raise ConfigurationError("accept may hold {}: correct ssh_login_notify_accept".format(", ".join(ACCEPTABLE)))
    if values.get("proxy"):
        _check_proxy(values["proxy"])
    if not all(isinstance(person, str) for person in values.get("people", {}).values()):
        raise ConfigurationError("people must give a name for each fingerprint: correct ssh_login_notify_people")
    for rule in values.get("ignore", []):
        check_rule(rule)


def _check_numbers(values: "Dict[str, Any]") -> None:
    for name, least in LEAST.items():
        if values.get(name, least) < least:
            raise ConfigurationError(f"{name} must be {least} at least: correct ssh_login_notify_{name} and {AGAIN}")


def _check_address(name: str, url: object, allow_http: bool) -> None:
    """Check the webhook's address, or another secret one."""
    mend = f"set ssh_login_notify_{name} to the address as its service shows it, and {AGAIN}"
    if name == "webhook_url":
        mend = "set ssh_login_notify_webhook_url to the address that Slack shows for the webhook, and " + AGAIN
    if not isinstance(url, str) or not url:
        raise ConfigurationError(f"{name} is missing or not text: {mend}")
    if _not_plain(url):
        raise ConfigurationError(f"{name} holds a space or a character that no address has: {mend}")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not an address: {mend}") from None
    if not host or parts.scheme not in ("https", "http"):
        raise ConfigurationError(f"{name} is not an https:// address: {mend}")
    if not all(0 < len(label) < 64 for label in host.rstrip(".").split(".")):  # RFC 1035, 2.3.4
        raise ConfigurationError(f"{name} has no name that a host can have: {mend}")
    if name == "webhook_url" and host.rstrip(".") in SLACKS_HOSTS and not parts.path.startswith(INCOMING):
        what = "another address of Slack"
        if parts.path.startswith(WORKFLOWS):
            what = "the webhook of a workflow, which takes variables instead of messages,"
        raise ConfigurationError(f"{name} is {what} and not an incoming webhook: create one, and {mend}")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigurationError(
            f"{name} is plain http://, and everybody on the way could read it: use https://, "
            "or set ssh_login_notify_allow_http: true if the way is yours"
        )


def _not_plain(url: str) -> bool:
    return any(not "!" <= character <= "~" for character in url)


def _check_proxy(url: str) -> None:
    try:
        parts = urlsplit(url)
        # With a user and a password in it, it would be shown by `status`; and neither would be used.
        good = parts.scheme == "http" and parts.hostname and parts.port and "@" not in url and not _not_plain(url)
    except ValueError:
        good = False
    if not good:
        raise ConfigurationError("proxy is not http://host:port: correct ssh_login_notify_proxy and " + AGAIN)


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address can only be this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_rule(rule: object) -> None:
    """Raise ConfigurationError unless this is a rule that can match (see rules.py)."""
    mend = ": correct ssh_login_notify_ignore and " + AGAIN
    if not isinstance(rule, dict) or not rule:
        raise ConfigurationError("a rule of ignore names nothing, it would silence every login" + mend)
    if not set(rule) <= set(RULE_KEYS) or not all(isinstance(value, str) and value for value in rule.values()):
        keys = ", ".join(RULE_KEYS)
        raise ConfigurationError(f"a rule of ignore may hold texts for {keys}, and nothing else" + mend)
    if rule.get("type", TYPES[0]) not in TYPES:
        raise ConfigurationError("in a rule of ignore, type must be one of {}".format(", ".join(TYPES)) + mend)
    wrong = client_networks.problem(rule["from"]) if "from" in rule else ""
    if wrong:
        raise ConfigurationError("in a rule of ignore, " + wrong + mend)
