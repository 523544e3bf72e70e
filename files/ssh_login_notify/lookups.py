# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups that add context to an alert (context.py): once for the host, or for each address.

As root, the sender only loads and opens the sources that are configured. It queries them after it has given root up,
only for alerts that get a message, and never while a login waits. Each lookup has a time limit of half a second. All
queries about logins in one run share a limit as well, so that they do not delay a backlog. A failed lookup is left out,
and the alert is sent without it.
"""

import re
import time

from .alert import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from .alert import Alert
    from .config import Configuration
    from .spool import Spool

    # Takes a fingerprint and the time of a login. Returns who sent the key (instance_connect.py).
    Senders = Callable[[str, float], Optional[str]]

# The time limit for all queries about logins in one run of the sender.
RUN_SECONDS = 10.0
# Files in which the hypervisor identifies itself, and the values that identify EC2 ("Determine whether your instance is
# an EC2 instance"). For Nitro, they are the vendor and the asset tag, which is the instance's id. For Xen, they are the
# version of the BIOS and the id of the domain. Every user can read these files, and ProtectKernelTunables= hides none
# of them. Where they are missing, the check costs nothing.
EC2_SIGNS = (
    ("/sys/devices/virtual/dmi/id/sys_vendor", re.compile(r"Amazon EC2\Z")),
    ("/sys/devices/virtual/dmi/id/board_asset_tag", re.compile(r"i-[0-9a-f]{8,32}\Z")),
    ("/sys/devices/virtual/dmi/id/bios_version", re.compile(r"[0-9.]+\.amazon\Z")),
    ("/sys/hypervisor/uuid", re.compile(r"ec2[0-9a-f]{5}-", re.I)),
)


class Lookups:
    """The sources of this host. Root must create it."""

    def __init__(self, configuration: "Configuration", spool: "Spool", senders: "Senders") -> None:
        """Load the sources that are configured, and those that this host has.

        spool: where the answer of EC2 is cached. senders: returns who sent a key through EC2 Instance Connect
        """
        self._labels = configuration.labels
        self._spool = spool
        self._senders: Optional[Senders] = None
        self._instance: Optional[Dict[str, str]] = None
        self._names: Optional[Any] = None
        self._networks: Optional[Any] = None
        self._is_ec2 = looks_like_ec2()
        self._is_asked = False
        self._left = RUN_SECONDS
        if self._is_ec2:
            from . import ec2, instance_connect

            self._ec2 = ec2
            self._senders = senders if instance_connect.is_here() else None
        if configuration.reverse_dns:
            from .reverse_dns import ReverseDns

            self._names = ReverseDns()
        if configuration.geo_database:
            from .geo_database import GeoDatabase

            self._networks = GeoDatabase(configuration.geo_database, configuration.language)

    def add(self, alert: "Alert") -> "Alert":
        """Return the alert with its `context`."""
        found: Dict[str, Any] = {}
        if self._labels:
            found["labels"] = self._labels
        instance = self._this_instance()
        if instance:
            found["instance"] = instance
        if not is_own(alert):
            self._add_of_the_login(alert, found)
        return dict(alert, context=found)

    def _this_instance(self) -> "Optional[Dict[str, str]]":
        if self._is_ec2 and not self._is_asked:
            self._is_asked = True
            self._instance = self._ec2.of_this_host(self._spool)
        return self._instance

    def _add_of_the_login(self, alert: "Alert", found: "Dict[str, Any]") -> None:
        if self._networks:
            found["network"] = self._networks.of(alert["address"]) or {}
        if self._left > 0:
            began = time.monotonic()
            self._ask_about(alert, found)
            self._left -= time.monotonic() - began

    def _ask_about(self, alert: "Alert", found: "Dict[str, Any]") -> None:
        """Add the facts that need a query to a resolver, or to the process that reads the journal."""
        if self._names:
            found["reverse_dns"] = self._names.of(alert["address"]) or {}
        keys = [method["fingerprint"] for method in alert["methods"] if method.get("fingerprint")]
        if self._senders and keys:
            principal = self._senders(keys[0], alert["time"])
            if principal is not None:
                found["instance_connect"] = {"principal": principal}


def looks_like_ec2() -> bool:
    """Return whether the hypervisor identifies this host as an instance of EC2."""
    for path, form in EC2_SIGNS:
        try:
            with open(path, encoding="ascii") as file:
                if form.match(file.read(100).strip()):
                    return True
        except (OSError, ValueError):
            pass  # other machines have no such file
    return False
