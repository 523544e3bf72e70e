# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""`./dev fuzz`: run atheris on the parsers of hostile input (fuzz/). Runs in the environment where nox installed it."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import time

from .command import ROOT, STATE, Failure, exit_code, say

TARGETS = ("environment", "spool", "pam")
SECONDS = 1800
CORPUS = ROOT / "fuzz" / "corpus"
LONGEST = 4096  # bytes of an input
FIGURES = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
COVERAGE = re.compile(r"cov: (\d+)")


def start(target: str = "all", seconds: str = str(SECONDS)) -> int:
    """Fuzz one target, or all, for this many seconds each. Return 1 if an input broke a promise."""
    if target not in ("all", *TARGETS):
        raise Failure(f"there is no target {target!r}. There are: {', '.join(TARGETS)}")
    rows = [fuzz(name, int(seconds)) for name in (TARGETS if target == "all" else [target])]
    print(f"\n{'target':12} {'seconds':>8} {'executions':>12} {'coverage':>9} {'inputs':>7}  findings")
    for row in rows:
        print("{:12} {:8.0f} {:12,} {:9} {:7}  {}".format(*row))
    return 1 if any(row[-1] != "none" for row in rows) else 0


def fuzz(target: str, seconds: int) -> tuple:
    """Fuzz one target. Its findings are in .dev/fuzz-TARGET/, where the next run continues."""
    found = STATE / f"fuzz-{target}"
    found.mkdir(parents=True, exist_ok=True)
    say(f"fuzz: {target}, {seconds} s")
    command = [sys.executable, "-B", "-m", "fuzz", target, found, CORPUS / target]
    limits = (f"-max_total_time={seconds}", f"-max_len={LONGEST}")
    options = (*limits, f"-artifact_prefix={found}/", "-print_final_stats=1")
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'files'}"}
    before = set(found.iterdir())
    start = time.monotonic()
    words = [str(word) for word in (*command, *options)]
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    executed = FIGURES.search(done.stderr)
    if not executed and done.returncode == 0:
        raise Failure(f"atheris did not run: {done.stderr[-2000:]}")
    crashes = sorted(path.name for path in found.glob("crash-*") if path not in before)
    if done.returncode:
        print(done.stderr[-4000:])
        say(f"an input broke a promise: add it to {CORPUS / target}, fix the parser, and keep the input there")
    coverage = COVERAGE.findall(done.stderr)
    count = int(executed[1]) if executed else 0
    reached = coverage[-1] if coverage else "-"
    inputs = len([path for path in found.iterdir() if not path.name.startswith("crash-")])
    return target, time.monotonic() - start, count, reached, inputs, ", ".join(crashes) or "none"


if __name__ == "__main__":
    sys.exit(exit_code(start, *sys.argv[1:]))
