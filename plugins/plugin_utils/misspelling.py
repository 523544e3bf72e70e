# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the known name that a misspelled name was most likely meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], alike: float) -> str:
    """Return the known name that is most similar to this one, ``""`` if none is similar enough.

    alike: the least similarity, from 0 to 1 (difflib.SequenceMatcher.ratio)
    """
    return (difflib.get_close_matches(name, sorted(known), 1, alike) or [""])[0]
