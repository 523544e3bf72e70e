# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that nobody thought of, for the parsers that read what strangers write: `./dev fuzz`.

    targets.py       one function a parser: it takes bytes, and fails if a promise does not hold
    __main__.py      atheris, which looks for such bytes
    corpus/TARGET/   inputs that reach each part of the parser, and every input that has ever broken a promise

The unit tests put the corpus through the targets on every Python (tests/unit/notifier/test_corpus.py).
"""
