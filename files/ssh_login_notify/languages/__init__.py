# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of messages, one module for each language, named by its code (ISO 639-1).

Another language is one more module with the keys and the placeholders of en.py; its name goes into LANGUAGES
(settings.py). TEXTS are templates for str.format. A value is inserted, and never read as a template, even if a
stranger chose it. NAME_ENDS: texts that can follow a name that the administrator chose, in a headline or a line.
"""

import importlib

from . import en

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Language:
    """`say(key, name=value)` returns a text of one language with these values in it."""

    def __init__(self, module: "Any") -> None:
        self._texts = module.TEXTS
        self.name_ends = module.NAME_ENDS

    def __call__(self, key: str, **values: object) -> str:
        """Return a text. Raise KeyError for an unknown key, or if the value of a placeholder is missing."""
        return str(self._texts[key].format(**values))


ENGLISH = Language(en)
_LOADED = {"en": ENGLISH}


def load(code: str) -> Language:
    """Return a language. Load only its module, besides English. Raise ImportError if there is none."""
    if code not in _LOADED:
        _LOADED[code] = Language(importlib.import_module("." + code, __name__))
    return _LOADED[code]
