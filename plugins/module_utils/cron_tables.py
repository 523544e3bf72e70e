# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in cron's tables: text in, text out. Every byte that is no part of a removed job stays."""

import re
from typing import Iterable, Optional

# crontab(5): blank lines, comments and settings of the environment are no jobs.
NO_JOB = re.compile(r"\s*(#|$|[A-Za-z_]\w*\s*=|[\"'])")


def without(text: str, commands: Iterable[str]) -> Optional[str]:
    """``text`` without the jobs that run one of ``commands``; None if that leaves no job at all.

    A command is found wherever it stands in a line, blanks between its words however wide, but not as a part of a
    longer word: ``/opt/alert.sh`` is not in ``/opt/alert.sh.old``.
    """
    patterns = [r"\s+".join(map(re.escape, command.split())) for command in commands if command.split()]
    if not patterns:
        return text
    runs = re.compile(rf"(?<![\w./-])({'|'.join(patterns)})(?![\w./-])")
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if NO_JOB.match(line) or not runs.search(line)]
    if len(kept) == len(lines):
        return text
    return "".join(kept) if any(not NO_JOB.match(line) for line in kept) else None
