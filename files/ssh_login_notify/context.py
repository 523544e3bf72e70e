# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an alert says about its host and the client's address, in addition to the login itself (docs/context.md).

The sender adds it to an alert as `context`, a dictionary:

    labels            the administrator's labels of the host
    instance          what EC2 reports about the host (ec2.py): id, name, region, account
    instance_connect  whose key of EC2 Instance Connect it was: the principal, "" if only CloudTrail has it
    reverse_dns       the DNS name of the client's address, and whether it resolves to that address (reverse_dns.py)
    network           country, number and owner of the client's network (geo_database.py)

Rules and weights never use it. A part that is not configured is not loaded. The service user may have written the alert
that a channel reads, so each part is treated as text from a stranger, and is left out if it has the wrong form.
"""

import re
from collections import namedtuple

from .settings import LABEL
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from .alert import Alert

# An id has 8 or 17 digits, and may get longer (EC2 Instance Connect's own scripts accept up to 32).
FORMS = {
    "id": re.compile(r"i-[0-9a-f]{8,32}\Z"),
    "region": re.compile(r"[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\Z"),
    "account": re.compile(r"[0-9]{12}\Z"),
}
# The limit for one value, in characters.
LONGEST = 256


class Instance(namedtuple("Instance", ("id", "name", "region", "account"))):
    """An EC2 instance, with the names of its metadata. name: its tag Name, "" if that can't be read."""

    __slots__ = ()

    @property
    def is_sound(self) -> bool:
        """Return whether all values but the name have the form that EC2 gives them: URLs contain them unescaped."""
        return all(form.match(getattr(self, name)) for name, form in FORMS.items())

    @property
    def console(self) -> str:
        """Return the URL of the instance's page in the console."""
        return f"https://{_console(self.region)}/ec2/home?region={self.region}#InstanceDetails:instanceId={self.id}"

    @property
    def cloudtrail(self) -> str:
        """Return the URL of the search for who sent keys of EC2 Instance Connect."""
        where = f"https://{_console(self.region)}/cloudtrailv2/home?region={self.region}"
        return where + "#/events?EventName=SendSSHPublicKey"


def _console(region: str) -> str:
    """Return the host of the console for a region's partition (AWS General Reference: aws, aws-cn, aws-us-gov)."""
    if region.startswith("cn-"):
        return "console.amazonaws.cn"
    return "console.amazonaws-us-gov.com" if region.startswith("us-gov-") else "console.aws.amazon.com"


def _part(alert: "Alert", name: str) -> "Dict[str, Any]":
    found = alert.get("context")
    part = found.get(name) if isinstance(found, dict) else None
    return part if isinstance(part, dict) else {}


def _text(part: "Dict[str, Any]", name: str) -> str:
    value = part.get(name)
    return printable(value, LONGEST) if isinstance(value, str) else ""


def of(alert: "Alert") -> "Dict[str, Any]":
    """Return the context for programs: the parts named above, without those that are unknown or malformed."""
    this, principal = instance(alert), instance_connect(alert)
    name, is_confirmed = reverse_name(alert)
    country, number, owner = network(alert)
    known = {
        "labels": labels(alert),
        "instance": dict(this._asdict()) if this else None,
        "instance_connect": None if principal is None else {"principal": principal},
        "reverse_dns": {"name": name, "confirmed": is_confirmed} if name else None,
        "network": {"country": country, "number": number, "owner": owner} if country or number or owner else None,
    }
    return {part: value for part, value in known.items() if value}


def labels(alert: "Alert") -> "Dict[str, str]":
    """Return the administrator's labels of the host."""
    part = _part(alert, "labels")
    return {name: _text(part, name) for name in part if LABEL.match(name) and _text(part, name)}


def instance(alert: "Alert") -> "Optional[Instance]":
    """Return the EC2 instance that this host is, None if it is none or unknown."""
    part = _part(alert, "instance")
    found = Instance(*(_text(part, name) for name in Instance._fields))
    return found if found.is_sound else None


def instance_connect(alert: "Alert") -> "Optional[str]":
    """Return whose EC2 Instance Connect key it was, "" if only CloudTrail has that; None if it was not such a key."""
    part = _part(alert, "instance_connect")
    return _text(part, "principal") if part else None


def reverse_name(alert: "Alert") -> "Tuple[str, bool]":
    """Return the DNS name of the client's address, "" if there is none, and whether it resolves to that address."""
    part = _part(alert, "reverse_dns")
    return _text(part, "name"), part.get("confirmed") is True


def network(alert: "Alert") -> "Tuple[str, int, str]":
    """Return the country, the number and the owner of the client's network; "" or 0 if unknown."""
    part = _part(alert, "network")
    number: Any = part.get("number")
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 32
    return _text(part, "country"), number if is_number else 0, _text(part, "owner")
