# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes jobs from the text of a cron table. Only whole jobs are removed. Every other byte stays."""

import re
from typing import Iterable, Optional

# crontab(5): blank lines, comments and environment settings are not jobs.
NOT_A_JOB = re.compile(r"\s*(#|$|[A-Za-z_]\w*\s*=|[\"'])")


def without(text: str, commands: Iterable[str]) -> Optional[str]:
    """Return ``text`` without the jobs that run one of ``commands``, or None if no job is left.

    A command may be anywhere in a line, with any blanks between its words, but it must not be part of a longer word:
    ``/opt/alert.sh`` does not match ``/opt/alert.sh.old``.
    """
    patterns = [r"\s+".join(map(re.escape, command.split())) for command in commands if command.split()]
    if not patterns:
        return text
    runs = re.compile(rf"(?<![\w./-])({'|'.join(patterns)})(?![\w./-])")
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if NOT_A_JOB.match(line) or not runs.search(line)]
    if len(kept) == len(lines):
        return text
    return "".join(kept) if any(not NOT_A_JOB.match(line) for line in kept) else None
