# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: a JSON file that the role writes and only root can read (0600). Its rules are in settings.py."""

import copy
import json
import os
import time
from urllib.parse import urlsplit

from . import languages, paths, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from .languages import Language

PATH = paths.CONFIGURATION
AGAIN = "run the role again"
# The name of the channel that webhook_url configures.
WEBHOOK = "webhook"
DEFAULTS = settings.DEFAULTS


class ConfigurationError(Exception):
    """The configuration can't be used. The message says what is wrong and what to do, and never shows a secret."""


class Configuration:
    """The values of the configuration, checked. Their names are those of the role's variables without the prefix.

    webhook_url: a secret. channels: the webhook's entry, then those of the setting, with the defaults of their kinds
    and with secrets (channel_settings.py). host_label: the server's name in alerts, "" for the host's own. allow_http:
    accept http://. ca_file: a PEM file, "" for the system's authorities. proxy: http://host:port, "" for none; a secret
    if it has a user and a password. people: names by fingerprint or certificate. ignore: rules for logins that cause no
    message (rules.py). mentions: rules that say whom a message mentions. repeat_minutes: for how long logins of the
    same kind are folded into one follow-up, 0 for never. daily_failures: whether a daily message counts failed logins.

    labels: facts about the host that alerts show. link: a template (link_template.py), "" for none. reverse_dns:
    whether the resolver is asked for the names of clients. geo_database: paths of MMDB files, separated by `:`, "" for
    none. language: the language of messages (languages).

    pam_services: services that run the hook. accept: faults of the host that are not reported (health.py).
    heartbeat_message: whether a heartbeat is a message. heartbeat_ping_url: a dead man's switch to ping, "" for none;
    also a secret. longest_silence: hours without a delivery after which something is wrong, 0 for no limit.
    metrics_file: where metrics are written, "" for nowhere (metrics.py). most_waiting, most_waiting_mib: the limits for
    waiting alerts, as a number and in MiB. exposed: whether other users can read the file, and so may know the secrets.
    """

    def __init__(self, values: "Dict[str, Any]", exposed: bool = False) -> None:
        """Check and keep the values of a file. Raise ConfigurationError for the first that is wrong."""
        _check(values)
        merged = copy.deepcopy(dict(DEFAULTS, **values))
        self.exposed = exposed
        self.webhook_url: str = merged["webhook_url"]
        self.channels: List[Dict[str, Any]] = _channels(self.webhook_url, merged["channels"])
        self.host_label: str = merged["host_label"]
        self.allow_http: bool = merged["allow_http"]
        self.ca_file: str = merged["ca_file"]
        self.proxy: str = merged["proxy"]
        self.people: Dict[str, str] = settings.people_by_fingerprint(merged["people"])
        self.ignore: List[Dict[str, Any]] = merged["ignore"]
        self.mentions: List[Dict[str, Any]] = merged["mentions"]
        self.repeat_minutes: int = merged["repeat_minutes"]
        self.daily_failures: bool = merged["daily_failures"]
        self.labels: Dict[str, str] = merged["labels"]
        self.link: str = merged["link"]
        self.reverse_dns: bool = merged["reverse_dns"]
        self.geo_database: str = merged["geo_database"]
        self.language: str = merged["language"]
        languages.load(self.language)  # now, because root can read the language's file, and the service user may not
        self.pam_services: List[str] = merged["pam_services"]
        self.accept: List[str] = merged["accept"]
        self.heartbeat_message: bool = merged["heartbeat_message"]
        self.heartbeat_ping_url: str = merged["heartbeat_ping_url"]
        self.longest_silence: int = merged["longest_silence"]
        self.metrics_file: str = merged["metrics_file"]
        self.most_waiting: int = merged["most_waiting"]
        self.most_waiting_mib: int = merged["most_waiting_mib"]

    @property
    def say(self) -> "Language":
        """Return the texts of the language."""
        return languages.load(self.language)

    @property
    def webhook_host(self) -> str:
        """Return the webhook's host, the only part of the webhook that may be shown."""
        return urlsplit(self.webhook_url).hostname or ""

    @property
    def proxy_shown(self) -> str:
        """Return the proxy without its user and password, which must not be shown."""
        scheme, slashes, rest = self.proxy.partition("//")
        return scheme + slashes + rest.rpartition("@")[2]


def _channels(webhook_url: str, entries: "List[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    webhook: Dict[str, Any] = {"name": WEBHOOK, "kind": "slack", "url": webhook_url}
    found = [webhook] if webhook_url else []
    if entries:
        from . import channel_settings  # loaded late: most hosts have only the webhook

        found += map(channel_settings.completed, entries)
    return found


def load(path: str = PATH) -> Configuration:
    """Read the configuration. Raise ConfigurationError if it can't be used."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(1 << 20)
    except FileNotFoundError:
        raise ConfigurationError(f"{path} is missing: {AGAIN}") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read ({error.strerror}): {AGAIN}") from None
    if status.st_uid != 0 or status.st_mode & 0o022:
        # Anyone who can write the file could send every alert elsewhere.
        why = "must belong to root alone, because it contains the webhook"
        raise ConfigurationError(f"{path} {why}: chown root:root, chmod 0600")
    try:
        values = json.loads(raw.decode("utf-8"))
    except ValueError:  # its message could quote the text, and so the webhook
        raise ConfigurationError(f"{path} is not JSON: {AGAIN}") from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} is not a JSON object: {AGAIN}")
    # Exposed secrets are no reason to stop: alerts are still sent, and one of them reports the file's mode.
    return Configuration(values, exposed=bool(status.st_mode & 0o044))


def changed_at() -> float:
    """Return when the configuration was last written, in seconds since the epoch, 0 if unknown."""
    try:
        written_at = os.stat(PATH).st_mtime
    except OSError:
        return 0.0
    return written_at if written_at <= time.time() else 0.0  # the clock was set back


def _check(values: "Dict[str, Any]") -> None:
    unknown = sorted(set(values) - set(DEFAULTS))
    if unknown:
        raise ConfigurationError("the configuration has unknown entries ({}): {}".format(", ".join(unknown), AGAIN))
    found = settings.problems(values)
    if found:
        raise ConfigurationError(f"{found[0]}, and {AGAIN}")
