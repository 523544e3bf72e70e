# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The template of a link to the administrator's own pages: `https://grafana.example.com/d/ssh?var-host={host}`.

The administrator writes the host name. Placeholders are allowed only after it, and their values are percent-encoded
(RFC 3986, 2.1). So no user, client or resolver can choose where a link leads, or add anything else to it.
"""

import re
from typing import Mapping
from urllib.parse import quote

PLACEHOLDERS = (
    "host", "user", "address", "port", "type", "id", "time", "time_ms", "instance", "region", "account",
)  # fmt: skip
# The longest template and the longest link, in characters. Slack accepts 3000, other services less.
LONGEST_TEMPLATE = 1000
LONGEST = 2000
# The characters of RFC 3986, except those that have a meaning in a channel's markup, plus the braces of placeholders.
TEMPLATE = re.compile(
    r"https://(?:[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~:/?#@!$&'*+,;=%{}-]*)?\Z"
)
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def problem(template: str) -> str:
    """Return what is wrong with a template, and what to do, or "" if it is valid."""
    if len(template) > LONGEST_TEMPLATE:
        return f"is longer than {LONGEST_TEMPLATE} characters: write a shorter one"
    unknown = [name for name in PLACEHOLDER.findall(template) if name not in PLACEHOLDERS]
    if unknown:
        return "has unknown placeholders ({}): use only {}".format(
            ", ".join("{" + name + "}" for name in unknown), ", ".join("{" + name + "}" for name in PLACEHOLDERS)
        )
    if any(brace in PLACEHOLDER.sub("", template) for brace in "{}"):
        return "has a brace that is not part of a placeholder: write %7B and %7D for braces"
    if not TEMPLATE.match(template):
        return (
            "is not an address with https:// and a host name, or has a placeholder before the end of the host name:"
            " write it as https://grafana.example.com/d/ssh?var-host={host}"
        )
    return ""


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return the link with these values, percent-encoded, or "" if it would be too long.

    A placeholder without a value is replaced by an empty text.
    """
    filled = PLACEHOLDER.sub(lambda found: encoded(values.get(found.group(1), "")), template)
    return filled if len(filled) <= LONGEST else ""


def encoded(value: object) -> str:
    """Return a value with every character percent-encoded except letters, digits, `_`, `.`, `-` and `~`.

    A value of dots alone would name another directory (RFC 3986, 5.2.4), so it becomes an empty text.
    """
    text = str(value)
    if not text.strip("."):
        return ""
    return quote(text.encode("utf-8", "backslashreplace"), safe="~").replace("%7E", "~")
