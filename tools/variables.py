# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the tables of the role's variables, and its defaults, from meta/argument_specs.yml, where they are documented.

Also make the README's tables of the hosts on which the notifier was run (support.py).

It needs PyYAML, so `./dev docs` runs it in the virtual environment:

    .dev/venv/bin/python tools/variables.py            write the files
    .dev/venv/bin/python tools/variables.py --check    list the files that are out of date; exit with 1 if there are any
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
from plugins.module_utils import channel_settings  # noqa: E402 - as a script, Python knows the checkout only now
from tools import support  # noqa: E402

ROLE = Path("roles") / "ssh_login_notify"
SPECIFICATION = ROLE / "meta" / "argument_specs.yml"
DEFAULTS_HEAD = """\
---
# Made by `./dev docs` from meta/argument_specs.yml; not to be edited. The README of the role has examples.
"""
CONFIGURATION_HEAD = """\
# All settings

<!-- Made by `./dev docs` from roles/ssh_login_notify/meta/argument_specs.yml; not to be edited. -->

Only the webhook, or another channel, has to be set. [The role's page](../roles/ssh_login_notify/README.md) has examples
and says what stops a run. [rules.md](rules.md) describes rules."""
CHANNELS = "ssh_login_notify_channels"
# The README has a table of these. All others are in docs/configuration.md.
MOST_USED = (
    "ssh_login_notify_webhook_url", CHANNELS, "ssh_login_notify_people", "ssh_login_notify_ignore",
    "ssh_login_notify_repeat_minutes", "ssh_login_notify_host_label", "ssh_login_notify_heartbeat_time",
    "ssh_login_notify_heartbeat_ping_url", "ssh_login_notify_proxy",
)  # fmt: skip
# The types of an argument specification, in words. Secrets, and values that can also be a list, have the type raw.
KINDS = {
    "str": "text", "bool": "true or false", "int": "a whole number", "raw": "text", "dict": "a mapping",
    "list of str": "a list of texts", "list of path": "a list of paths", "list of dict": "a list of mappings",
}  # fmt: skip
COMMENT_WIDTH = 120
# Ansible's markup in descriptions: a letter and an argument, in which a backslash can precede a parenthesis.
MARKUP = re.compile(r"\b([CMOV])\(((?:\\.|[^\\)])*)\)")


def main(arguments: list[str]) -> int:
    """Write the files that are out of date, or only list them with --check. Return 1 if --check finds any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args(arguments)
    variables = load(options.root / SPECIFICATION)["argument_specs"]["main"]["options"]
    stale = []
    for name, make in FILES.items():
        path = options.root / name
        old = path.read_text(encoding="utf-8")
        new = make(old, variables)
        if make is readme:
            new = between_markers(new, support_tables(options.root), "support")
        if new != old:
            stale.append(name)
            if not options.check:
                path.write_text(new, encoding="utf-8")
    for name in stale:
        print(f"{name}: not up to date, run ./dev docs" if options.check else f"{name}: written")
    return 1 if stale and options.check else 0


def readme(page: str, variables: dict[str, dict]) -> str:
    """Return the collection's README, with a table of the most used variables: what each is, and when to change it."""
    rows = [["variable", "default", "what it is, and when to change it"]]
    for name in MOST_USED:
        first, *_others, last = paragraphs(variables[name])
        link = f"[`{name}`](docs/configuration.md#{name})"
        rows.append([link, f"`{default(variables[name])}`", markdown(f"{first_sentence(first)} {last}")])
    return between_markers(page, table(rows))


def role_readme(page: str, variables: dict[str, dict]) -> str:
    """Return the role's README, with a table of the whole description of each variable."""
    rows = [["variable", "default", "what it is, and why you would change it"]]
    rows += [[f"`{name}`", f"`{default(of)}`", markdown(" ".join(paragraphs(of)))] for name, of in variables.items()]
    return between_markers(page, table(rows))


def defaults(page: str, variables: dict[str, dict]) -> str:
    """Return defaults/main.yml: each variable with its description above it."""
    parts = [DEFAULTS_HEAD]
    for name, of in variables.items():
        comment = textwrap.fill(
            markdown(" ".join(paragraphs(of))), COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        parts.append(f"{comment}\n{name}: {default(of)}\n")
    return "\n".join(parts)


def configuration(_page: str, variables: dict[str, dict]) -> str:
    """Return docs/configuration.md: the full specification of each variable and the keys of its entries."""
    parts = [CONFIGURATION_HEAD]
    for name, of in variables.items():
        kind = of["type"] if "elements" not in of else f"{of['type']} of {of['elements']}"
        if name == CHANNELS:
            kind = "list of dict"
        facts = [f"Type: {KINDS.get(kind, kind)}. Default: `{default(of)}`."]
        if "choices" in of:
            facts.append("One of " + ", ".join(f"`{choice}`" for choice in of["choices"]) + ".")
        parts += [f"## `{name}`", *map(markdown, paragraphs(of)), " ".join(facts)]
        if "options" in of:
            rows = [["key of an entry", "what it is"]]
            rows += [[f"`{key}`", markdown(" ".join(paragraphs(key_of)))] for key, key_of in of["options"].items()]
            parts.append(table(rows))
        if name == CHANNELS:
            parts += channel_tables()
    return "\n\n".join(parts) + "\n"


def channel_tables() -> list[str]:
    """Return the tables of the keys of every channel, and of those of each kind."""
    rows = [["key of every entry", "what it is"]]
    rows += [[f"`{key}`", markdown(what)] for key, what in channel_settings.COMMON.items()]
    kinds = [["kind", "key", "default", "what it is"]]
    for kind, keys in channel_settings.KINDS.items():
        for key, of in keys.items():
            value = (
                "none, required"
                if of.default is channel_settings.NEEDED
                else f"`{default({'default': of.default})}`"
            )
            kinds.append([f"`{kind}`", f"`{key}`", value, markdown(of.what) + " **Secret.**" * of.is_secret])
    return [table(rows), table(kinds)]


def paragraphs(of: dict) -> list[str]:
    """Return the paragraphs of a variable's description."""
    description = of["description"]
    return [description] if isinstance(description, str) else description


def first_sentence(text: str) -> str:
    """Return the first sentence of a paragraph."""
    return text.partition(". ")[0].rstrip(".") + "."


def markdown(text: str) -> str:
    """Return a description in Markdown: names and values are code, and `name=value` is written as in YAML."""

    def code(match: re.Match) -> str:
        words = re.sub(r"\\(.)", r"\1", match[2])
        return "`" + (words.replace("=", ": ") if match[1] == "O" else words) + "`"

    return MARKUP.sub(code, text)


def default(of: dict) -> str:
    """Return a default as YAML, in one line. A text that is empty by default has none in the specification."""
    return yaml.safe_dump(of.get("default", ""), default_flow_style=True, width=1000).splitlines()[0]


def table(rows: list[list[str]]) -> str:
    """Return a table in Markdown. The first row is its head."""
    rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def support_tables(root: Path) -> str:
    """Return the tables of the hosts on which the notifier is tested, and of those on which it was run by hand."""
    scenarios = [load(path) or {} for path in root.glob("molecule/*/molecule.yml")]
    tested, by_hand = support.tables(scenarios, load(root / support.CONFIGURATION), load(root / support.RECORDS))
    return "\n\n".join(["In every test run:", table(tested), "Otherwise:", table(by_hand)])


def load(path: Path) -> Any:
    """Return the contents of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def between_markers(page: str, text: str, topic: str = "variables") -> str:
    """Return the page with this text between the markers of a topic."""
    pattern = rf"(<!-- {topic}: begin[^>]*-->\n).*?(<!-- {topic}: end -->)"
    new, found = re.subn(pattern, lambda match: f"{match[1]}\n{text}\n\n{match[2]}", page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"the page needs one pair of markers, <!-- {topic}: begin --> and <!-- {topic}: end -->")
    return new


FILES = {
    "README.md": readme,
    str(ROLE / "README.md"): role_readme,
    str(ROLE / "defaults" / "main.yml"): defaults,
    "docs/configuration.md": configuration,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
