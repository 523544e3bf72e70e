# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A problem of the host, as `status` and the self-check report it, and helpers for its wording."""


class Problem:
    """One problem.

    severity: WARNING or CRITICAL. key: a name that stays the same when numbers in the sentence change. sentence: what
    is wrong, a colon, what to do. about_delivery: it is not reported to the channel, which already shows it or can't be
    reached.
    """

    def __init__(self, severity: int, key: str, sentence: str, about_delivery: bool = False) -> None:
        self.severity = severity
        self.key = key
        self.sentence = sentence
        self.about_delivery = about_delivery


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun, and optionally a verb that agrees: `1 alert is`, `3 alerts are`."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def alerts_were(count: int) -> str:
    """Return `1 alert was`, or `3 alerts were`."""
    return counted(count, "alert was", "alerts were")
