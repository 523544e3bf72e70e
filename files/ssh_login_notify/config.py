"""The configuration: JSON, root's alone (0600), written by the role."""

import ipaddress
import json
import os
import stat
from urllib.parse import urlsplit

from . import kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

PATH = "/usr/local/etc/ssh-notify.conf"
AGAIN = "run the role again"
DEFAULTS: "Dict[str, Any]" = {
    "host_label": "",
    "allow_http": False,
    "ca_file": "",
    "proxy": "",
    "people": {},
    "ignore": [],
}
RULE_KEYS = ("user", "from", "key", "type")
TYPES = (
    kind.INTERACTIVE,
    kind.COMMAND,
    kind.SFTP_OR_SCP,
    kind.SCP,
    kind.RSYNC,
    kind.GIT,
    kind.TUNNEL,
    kind.UNKNOWN,
)


class ConfigurationError(Exception):
    """What is wrong with the configuration, in one sentence that names the mend and never a secret."""


class Configuration:
    """webhook_url: a secret. host_label: the server's name in alerts, "" for the host's own. allow_http: accept http://.
    ca_file: PEM, "" for the system's authorities. proxy: http://host:port, "" for none. people: names by fingerprint.
    ignore: rules (see rules.py) for logins that need no message.
    """

    def __init__(self, values: "Dict[str, Any]") -> None:
        """Take checked values; raise ConfigurationError for the first that is wrong."""
        _check(values)
        merged = dict(DEFAULTS, **values)
        self.webhook_url: str = merged["webhook_url"]
        self.host_label: str = merged["host_label"]
        self.allow_http: bool = merged["allow_http"]
        self.ca_file: str = merged["ca_file"]
        self.proxy: str = merged["proxy"]
        self.people: Dict[str, str] = merged["people"]
        self.ignore: List[Dict[str, str]] = merged["ignore"]

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
    if status.st_uid != 0 or stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigurationError(f"{path} must be root's alone, it holds the webhook: chown root:root, chmod 0600")
    try:
        values = json.loads(raw.decode("utf-8"))
    except ValueError:  # which may quote the text, and so the webhook
        raise ConfigurationError(f"{path} is not JSON: {AGAIN}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} is not a JSON object: {AGAIN}")
    return Configuration(values)


def _check(values: "Dict[str, Any]") -> None:
    unknown = sorted(set(values) - set(DEFAULTS) - {"webhook_url"})
    if unknown:
        raise ConfigurationError("the configuration holds {}, unknown here: {}".format(", ".join(unknown), AGAIN))
    for name in DEFAULTS:
        if name in values and not isinstance(values[name], type(DEFAULTS[name])):
            wanted = {str: "text", bool: "true or false", dict: "an object", list: "a list"}[type(DEFAULTS[name])]
            raise ConfigurationError(f"{name} must be {wanted}: correct ssh_login_notify_{name} and {AGAIN}")
    _check_webhook(values.get("webhook_url"), values.get("allow_http", False))
    if values.get("proxy"):
        _check_proxy(values["proxy"])
    if not all(isinstance(person, str) for person in values.get("people", {}).values()):
        raise ConfigurationError("people must give a name for each fingerprint: correct ssh_login_notify_people")
    for rule in values.get("ignore", []):
        check_rule(rule)


def _check_webhook(url: object, allow_http: bool) -> None:
    mend = "set ssh_login_notify_webhook_url to the address that Slack shows for the webhook, and " + AGAIN
    if not isinstance(url, str) or not url:
        raise ConfigurationError("webhook_url is missing or not text: " + mend)
    if _not_plain(url):
        raise ConfigurationError("webhook_url holds a space or a character that no address has: " + mend)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("webhook_url is not an address: " + mend) from None
    if not host or parts.scheme not in ("https", "http"):
        raise ConfigurationError("webhook_url is not an https:// address: " + mend)
    if not all(0 < len(label) < 64 for label in host.rstrip(".").split(".")):  # RFC 1035, 2.3.4
        raise ConfigurationError("webhook_url has no name that a host can have: " + mend)
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigurationError(
            "webhook_url is plain http://, and everybody on the way could read it: use https://, "
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
    if "from" in rule:
        try:
            ipaddress.ip_network(rule["from"])
        except ValueError:
            wrong = "in a rule of ignore, {!r} is no address and no network".format(rule["from"])
            raise ConfigurationError(wrong + mend) from None
