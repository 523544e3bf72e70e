# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slack's rules for the Block Kit blocks that an alert can need. Every other kind is refused as unknown.

Source: Slack's "Block Kit" reference (docs.slack.dev/reference/block-kit), the pages of the blocks and the text object.
"""

from __future__ import annotations

from typing import Any, Callable

from .mrkdwn import Findings, inspect

MAX_BLOCKS = 50
MAX_BLOCK_ID = 255
MAX_HEADER = 150
MAX_TEXT = 3000
MAX_FIELDS = 10
MAX_FIELD = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_URL = 3000
MAX_ALT_TEXT = 2000

PLAIN = ("plain_text",)
PLAIN_OR_MRKDWN = ("plain_text", "mrkdwn")


def check_blocks(blocks: Any, findings: Findings) -> None:
    """Add every breach of the rules for a message's `blocks` to `findings`."""
    if not isinstance(blocks, list) or not blocks:
        findings.add("blocks", "must be a list of at least one block")
        return
    if len(blocks) > MAX_BLOCKS:
        findings.add("blocks", f"{len(blocks)} blocks: a message has at most {MAX_BLOCKS}")
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        _check_block(block, f"blocks[{index}]", seen, findings)


def _check_block(block: Any, where: str, seen: set[str], findings: Findings) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind not in BLOCKS:
        findings.add(where, f"type {kind!r}: this receiver knows {', '.join(sorted(BLOCKS))}")
        return
    check, keys = BLOCKS[kind]
    _only_keys(block, {"type", "block_id"} | keys, where, findings)
    if "block_id" in block:
        _check_block_id(block["block_id"], f"{where}.block_id", seen, findings)
    check(block, where, findings)


def _check_block_id(block_id: Any, where: str, seen: set[str], findings: Findings) -> None:
    if not isinstance(block_id, str) or not 1 <= len(block_id) <= MAX_BLOCK_ID:
        findings.add(where, f"must be a text of 1 to {MAX_BLOCK_ID} characters")
    elif block_id in seen:
        findings.add(where, f"{block_id[:40]!r} occurs twice in one message")
    else:
        seen.add(block_id)


def _only_keys(thing: dict, allowed: set[str], where: str, findings: Findings) -> None:
    for key in sorted(set(thing) - allowed):
        findings.add(where, f"unknown key {key[:40]!r}")


def check_text_object(thing: Any, where: str, findings: Findings, *, limit: int, kinds: tuple[str, ...]) -> None:
    """Check one text object: its type must be one of `kinds`, and its text must have 1 to `limit` characters."""
    kind = thing.get("type") if isinstance(thing, dict) else None
    if kind not in kinds:
        findings.add(where, f"must be a text object of type {' or '.join(kinds)}")
        return
    _only_keys(thing, {"type", "text", "emoji" if kind == "plain_text" else "verbatim"}, where, findings)
    for flag in ("emoji", "verbatim"):
        if not isinstance(thing.get(flag, False), bool):
            findings.add(f"{where}.{flag}", "must be true or false")
    parsed = kind == "mrkdwn" and not thing.get("verbatim")
    _check_text(thing.get("text"), f"{where}.text", findings, limit=limit, parsed=parsed)


def _check_text(text: Any, where: str, findings: Findings, *, limit: int, parsed: bool = False) -> None:
    if not isinstance(text, str) or not text:
        findings.add(where, "must be a text that is not empty")
        return
    if len(text) > limit:
        findings.add(where, f"{len(text)} characters: at most {limit} are allowed")
    inspect(text, where, findings, parsed=parsed)


def _items(thing: dict, key: str, limit: int, where: str, findings: Findings) -> list:
    """Check the length of the list under `key` and return the list, or an empty list if it is not a list."""
    items = thing.get(key)
    if not isinstance(items, list) or not 1 <= len(items) <= limit:
        count = f"{len(items)} items" if isinstance(items, list) else "no list"
        findings.add(f"{where}.{key}", f"{count}: 1 to {limit} are allowed")
    return items if isinstance(items, list) else []


def _header(block: dict, where: str, findings: Findings) -> None:
    check_text_object(block.get("text"), f"{where}.text", findings, limit=MAX_HEADER, kinds=PLAIN)


def _section(block: dict, where: str, findings: Findings) -> None:
    if "text" not in block and "fields" not in block:
        findings.add(where, "needs text or fields")
    if "text" in block:
        check_text_object(block["text"], f"{where}.text", findings, limit=MAX_TEXT, kinds=PLAIN_OR_MRKDWN)
    if "fields" in block:
        for index, item in enumerate(_items(block, "fields", MAX_FIELDS, where, findings)):
            check_text_object(item, f"{where}.fields[{index}]", findings, limit=MAX_FIELD, kinds=PLAIN_OR_MRKDWN)
    if not isinstance(block.get("expand", False), bool):
        findings.add(f"{where}.expand", "must be true or false")


def _context(block: dict, where: str, findings: Findings) -> None:
    for index, element in enumerate(_items(block, "elements", MAX_CONTEXT_ELEMENTS, where, findings)):
        place = f"{where}.elements[{index}]"
        if isinstance(element, dict) and element.get("type") == "image":
            _only_keys(element, {"type", "image_url", "alt_text"}, place, findings)
            _image(element, place, findings)
        else:
            check_text_object(element, place, findings, limit=MAX_TEXT, kinds=PLAIN_OR_MRKDWN)


def _divider(block: dict, where: str, findings: Findings) -> None:
    """A divider has only the keys that every block can have."""


def _image(block: dict, where: str, findings: Findings) -> None:
    url = block.get("image_url")
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > MAX_URL:
        findings.add(f"{where}.image_url", f"must be an https address of at most {MAX_URL} characters")
    _check_text(block.get("alt_text"), f"{where}.alt_text", findings, limit=MAX_ALT_TEXT)
    if "title" in block:
        check_text_object(block["title"], f"{where}.title", findings, limit=MAX_ALT_TEXT, kinds=PLAIN)


def _rich_text(block: dict, where: str, findings: Findings) -> None:
    for index, element in enumerate(_items(block, "elements", MAX_TEXT, where, findings)):
        _rich_text_part(element, f"{where}.elements[{index}]", findings)


def _rich_text_part(part: Any, where: str, findings: Findings) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    elements = part.get("elements") if isinstance(part, dict) else None
    if kind not in RICH_TEXT_PARTS or not isinstance(elements, list):
        findings.add(where, f"must be one of {', '.join(RICH_TEXT_PARTS)} with a list of elements")
        return
    if kind == "rich_text_list" and part.get("style") not in ("bullet", "ordered"):
        findings.add(f"{where}.style", "must be bullet or ordered")
    for index, element in enumerate(elements):
        place = f"{where}.elements[{index}]"
        if kind == "rich_text_list":
            _rich_text_part(element, place, findings)
        else:
            _rich_text_element(element, place, findings)


def _rich_text_element(element: Any, where: str, findings: Findings) -> None:
    """Check one element of a rich text. Nothing in it is parsed: a text needs no escapes, and a mention is explicit."""
    kind = element.get("type") if isinstance(element, dict) else None
    required = RICH_TEXT_ELEMENTS.get(kind) if isinstance(kind, str) else None
    if required is None:
        findings.add(where, f"type {kind!r}: must be one of {', '.join(RICH_TEXT_ELEMENTS)}")
        return
    value = element.get(required)
    if not isinstance(value, str) or not value:
        findings.add(f"{where}.{required}", "must be a text that is not empty")
        return
    if kind in ("user", "usergroup", "channel", "broadcast"):
        findings.mentions.append(f"{kind} {value}")
    if kind == "link":
        findings.links.append(value)


RICH_TEXT_PARTS = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
RICH_TEXT_ELEMENTS = {
    "text": "text", "link": "url", "emoji": "name", "user": "user_id",
    "usergroup": "usergroup_id", "channel": "channel_id", "broadcast": "range",
}  # fmt: skip

# kind: (its check, the keys that it can have besides type and block_id)
BLOCKS: dict[str, tuple[Callable[[dict, str, Findings], None], set[str]]] = {
    "header": (_header, {"text"}),
    "section": (_section, {"text", "fields", "expand"}),
    "context": (_context, {"elements"}),
    "divider": (_divider, set()),
    "image": (_image, {"image_url", "alt_text", "title"}),
    "rich_text": (_rich_text, {"elements"}),
}
