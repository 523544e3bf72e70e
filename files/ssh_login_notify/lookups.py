# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sender looks up for an alert beside the login itself (context.py): once for the host, or for each address.

It is made by root, who loads and opens what is configured, and nothing else. Then it is asked without root, for alerts
that get a message, never while a login waits. Each look-up has a limit of half a second, and one that fails is left
out: no alert waits for it, or fails by it.
"""

import re

from .alert import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from .alert import Alert
    from .config import Configuration
    from .spool import Spool

    # From a fingerprint and the time of a login: who has sent the key (instance_connect.py).
    Senders = Callable[[str, float], Optional[str]]

# What the hypervisor says of itself, and the forms by which EC2 is known ("Determine whether your instance is an EC2
# instance"): Nitro's vendor, its asset tag, which is the instance's id; of Xen, the BIOS, and the id of the domain.
# Everybody may read these, and ProtectKernelTunables= hides none. They cost nothing where they are missing.
EC2_SIGNS = (
    ("/sys/devices/virtual/dmi/id/sys_vendor", re.compile(r"Amazon EC2\Z")),
    ("/sys/devices/virtual/dmi/id/board_asset_tag", re.compile(r"i-[0-9a-f]{8,32}\Z")),
    ("/sys/devices/virtual/dmi/id/bios_version", re.compile(r"[0-9.]+\.amazon\Z")),
    ("/sys/hypervisor/uuid", re.compile(r"ec2[0-9a-f]{5}-", re.I)),
)


class Lookups:
    """The sources of this host. To be made by root."""

    def __init__(self, configuration: "Configuration", spool: "Spool", senders: "Senders") -> None:
        """Load what is configured, and what this host has.

        spool: where the answer of EC2 is kept. senders: tells who has sent a key of EC2 Instance Connect
        """
        self._labels = configuration.labels
        self._spool = spool
        self._senders: Optional[Senders] = None
        self._instance: Optional[Dict[str, str]] = None
        self._names: Optional[Any] = None
        self._networks: Optional[Any] = None
        self._is_ec2 = looks_like_ec2()
        self._is_asked = False
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
        if self._names:
            found["reverse_dns"] = self._names.of(alert["address"]) or {}
        if self._networks:
            found["network"] = self._networks.of(alert["address"]) or {}
        keys = [method["fingerprint"] for method in alert["methods"] if method.get("fingerprint")]
        if self._senders and keys:
            principal = self._senders(keys[0], alert["time"])
            if principal is not None:
                found["instance_connect"] = {"principal": principal}


def looks_like_ec2() -> bool:
    """Tell whether the hypervisor says that this host is an instance of EC2."""
    for path, form in EC2_SIGNS:
        try:
            with open(path, encoding="ascii") as file:
                if form.match(file.read(100).strip()):
                    return True
        except (OSError, ValueError):
            pass  # another machine has no such file
    return False
