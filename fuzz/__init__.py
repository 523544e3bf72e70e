# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unexpected inputs for the parsers that read what strangers write: `./dev fuzz`.

    targets.py       one function per parser: it takes bytes, and fails if they break a promise
    __main__.py      atheris, which looks for such bytes
    corpus/TARGET/   inputs that reach each part of the parser, and every input that has ever broken a promise

The unit tests run the targets on the corpus on every Python (tests/unit/notifier/test_corpus.py).
"""
