# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Slack treats the characters of a text: escapes, mentions, links, characters that can mislead a reader.

Source: Slack's reference "Formatting text for app surfaces" (docs.slack.dev/messaging/formatting-message-text).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
ENTITY = re.compile("&amp;|&lt;|&gt;")

# Every use of < … > that Slack documents. Anything else is a missing escape.
MENTION = re.compile(r"<(?:@[UW]|#[CG]|!subteam\^S)[A-Z0-9]+(?:\|[^<>|]*)?>|<!(?:here|channel|everyone)(?:\|[^<>|]*)?>")
DATE = re.compile(r"<!date\^\d+\^[^<>|^]+(?:\^https?://[^<>|]+)?\|[^<>|]+>")
LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>|]*)?>")
CONSTRUCT = re.compile("|".join(pattern.pattern for pattern in (MENTION, DATE, LINK)))

# What Slack itself turns into a link or a mention, in a mrkdwn text without `verbatim`.
BARE_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>|]+", re.IGNORECASE)
BARE_MENTION = re.compile(r"(?<![\w@])@(?:channel|here|everyone)\b")

# C0 (except tab and newline), DEL and C1, line and paragraph separators, marks and overrides of writing direction.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Findings:
    """The findings in one or more texts.

    problems: breaches of Slack's rules
    mentions, links: what would notify somebody or could be clicked
    controls: invisible characters, as `U+202E`
    """

    problems: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        """Add a breach of a rule at `where`, a path such as `blocks[1].fields[0].text`."""
        self.problems.append(f"{where}: {reason}")


def unescape(text: str) -> str:
    """Return the text as a person reads it. Slack decodes these three entities, once, and no others."""
    return ENTITY.sub(lambda match: ENTITIES[match.group()], text)


def escape(text: str) -> str:
    """Return the text with the three characters escaped that Slack interprets."""
    for entity, character in ENTITIES.items():
        text = text.replace(character, entity)
    return text


def inspect(text: str, where: str, findings: Findings, *, parsed: bool) -> None:
    """Add the problems, mentions, links and invisible characters of one text to `findings`.

    parsed: whether Slack looks for bare links and @channel in it (mrkdwn without `verbatim`)
    """
    rest = CONSTRUCT.sub(" ", text)
    unescaped = [character for character in "&<>" if character in ENTITY.sub("", rest)]
    if unescaped:
        findings.add(where, f"unescaped {' '.join(unescaped)} in {text[:80]!r}: write &amp; &lt; &gt;")
    if SURROGATE.search(text):
        findings.add(where, "half of a surrogate pair: this is not a Unicode text")
    findings.mentions += MENTION.findall(text)
    findings.links += LINK.findall(text)
    if parsed:
        findings.mentions += BARE_MENTION.findall(rest)
        findings.links += BARE_LINK.findall(rest)
    findings.controls += [f"U+{ord(character):04X}" for character in CONTROL.findall(text)]
