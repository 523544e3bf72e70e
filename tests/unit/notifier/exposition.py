# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict parser of Prometheus's text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

It is stricter than that text. It rejects everything that node_exporter's textfile collector (textfile.go) and `promtool
check metrics` reject, and each metric must have a help, a type, and only samples with its own name.
"""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parse(text):
    """Return the type and the samples of each metric, by its name. Samples are keyed by their labels."""
    assert text.endswith("\n")
    assert "\r" not in text
    found = {}
    helped = name = None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped = HELP.fullmatch(line).group(1)
        elif line.startswith("# TYPE "):
            name, kind = TYPE.fullmatch(line).groups()
            assert name == helped, "the help comes right before the type"
            assert name not in found, "the lines of a metric stand together"
            assert name.endswith("_total") == (kind == "counter"), name
            found[name] = (kind, {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match.group(1) == name, line
            labels = tuple(
                (label, re.sub(r"\\.", lambda escape: ESCAPES[escape.group()], value))
                for label, value in re.findall(LABEL, match.group(2) or "")
            )
            assert len(dict(labels)) == len(labels), line
            samples = found[name][1]
            assert labels not in samples, line
            samples[labels] = float(match.group(match.re.groups))
    assert all(samples for _kind, samples in found.values())
    return found
