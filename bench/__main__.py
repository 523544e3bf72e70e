# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: `./dev bench [PART] [N]`."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from types import ModuleType

from tests.lab.command import LabError
from tools.command import ROOT, Failure, say

from . import (
    audit,
    connections,
    cost,
    faults,
    fleet,
    hook,
    kinds,
    login,
    machine,
    report,
    servers,
    short,
    storm,
    webhook,
)

# In this order: timings come first, while the machine is as idle as it was at the start.
PARTS: dict[str, tuple[ModuleType, str]] = {
    "hook": (hook, "how long the hook holds a login, against bare Python and against a shell hook"),
    "login": (login, "how long `ssh host true` takes, with the hook and without"),
    "faults": (faults, "the same during each fault; ends non-zero if a login takes more than 1.2 times as long"),
    "cost": (cost, "processor time and memory of observer and sender for a login"),
    "open": (connections, "processor time and memory for an hour of open tunnels"),
    "storm": (storm, "a thousand logins in a minute: nothing lost or doubled, at a small cost; ends non-zero if not"),
    "kinds": (kinds, "whether each of many logins is one alert of the right kind; ends non-zero if not"),
    "short": (short, "whether the shortest sessions are seen; ends non-zero if not"),
    "fleet": (fleet, "how long Ansible takes for a fleet of hosts; ends non-zero if a second run is slow"),
    "audit": (audit, "what the audit of a log costs; ends non-zero if a line takes more than 60 µs"),
    "webhook": (webhook, "how long many hosts behind one webhook take (simulated); ends non-zero if one is left out"),
}
# These do not depend on the machine's speed, so a busy machine gives the same results.
SIMULATED = {"webhook"}
# These start the containers that they need themselves.
WITHOUT_SERVERS = {"audit", "fleet", *SIMULATED}
EPILOG = f"""\
A full run (N not given) is written to docs/bench.md. Where something is timed, that needs an idle machine: a load
average below {machine.BUSY:.0f} in the minute before.
"""


def main() -> int:
    """Measure. Return 1 if a promise is broken that holds on any machine."""
    summaries = "\n".join(f"  {name:7} {summary}" for name, (_module, summary) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=f"Measure the cost of an alert to a login.\n\n{summaries}", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("part", nargs="?", choices=PARTS, metavar="PART", help="only this part (default: all)")
    defaults = ", ".join(f"{name} {module.RUNS}" for name, (module, _summary) in PARTS.items())
    parser.add_argument("runs", nargs="?", type=int, metavar="N", help=f"how many runs of each (default: {defaults})")
    parser.add_argument("--against", default="", metavar="COMMIT", help="short: compare with this commit")
    parser.add_argument("--processors", type=int, default=0, metavar="N", help="short: the servers' processors")
    parser.add_argument("--delay", type=float, default=0, metavar="MS", help="short: added to each round trip")
    options = parser.parse_args()
    unusual = short.Options(options.against, options.processors, options.delay)
    try:
        return measure([options.part] if options.part else list(PARTS), options.runs, unusual)
    except (Failure, LabError) as failure:
        say(str(failure))
        return 1


def measure(parts: list[str], runs: int | None, how: short.Options) -> int:
    """Run these parts and print what they find. Return 1 if a promise is broken.

    how: options of the part `short`
    """
    load = machine.load()
    broken = []
    with nullcontext() if set(parts) <= WITHOUT_SERVERS else servers.running() as stage:
        description = machine.description(stage.servers if stage else [], load)
        for name in parts:
            module = PARTS[name][0]
            more = [how] if name == "short" else []
            finding = module.measure(stage, runs or module.RUNS, *more)
            is_usual = how == short.Options() and runs is None
            publishable = is_usual and (load < machine.BUSY or name in {*SIMULATED, "kinds", "short"})
            show(name, finding, description, publishable)
            broken += finding.broken
    if runs is None and load >= machine.BUSY:
        say(f"times were not written to docs/bench.md: the load average was {load:.1f} before; run it again when idle")
    for sentence in broken:
        say(f"broken: {sentence}")
    return 1 if broken else 0


def show(part: str, finding: report.Finding, description: str, publishable: bool) -> None:
    """Print a finding, and publish it if it is publishable."""
    text = f"{finding.text}\n\n{description}"
    print(f"\n{text}\n", flush=True)
    if publishable:
        report.publish(part, text)
    for path in report.save(finding, publishable):
        say(f"plot: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
