# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of ./dev."""

from __future__ import annotations

import argparse
import os
import shutil

from . import bench, demo, engine, environment, fuzz, lock, pictures, testing
from .command import ROOT, STATE, Failure, output, run, say

DESCRIPTION = "Work on the collection loginwatch.pam. Each command first installs what it needs and says so."
EPILOG = """\
examples:
  ./dev demo                        see it work: a server, a stand-in for Slack, real logins, their alerts
  ./dev test                        everything that must hold: lint, unit tests, real servers
  ./dev test quick                  lint, three Pythons, two scenarios on one platform
  ./dev test unit receiver          only these parts
  ./dev test unit -- FILE -k NAME   one test, by pytest's own arguments, with the Python of .dev/venv
  ./dev test faults outage          these scenarios on real servers
  ./dev shell                       a shell in which molecule and ansible-playbook are at hand

What ./dev makes is in .dev/, in Docker images loginwatch/*, and in containers labelled loginwatch; `./dev clean`
removes all of it. Debian packages, and a Docker engine that it had to install, stay.
"""


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is 0 if it did what it should."""
    # Only `test` takes pytest's arguments; `bench` hands over all of its own.
    end = arguments.index("--") if arguments[:1] == ["test"] and "--" in arguments else len(arguments)
    options = parser().parse_args(arguments[:end])
    options.pytest = arguments[end + 1 :]
    os.chdir(ROOT)
    try:
        return options.run(options) or 0
    except Failure as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="./dev", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function, summary: str) -> argparse.ArgumentParser:
        new = commands.add_parser(name, help=summary, description=summary)
        new.set_defaults(run=function)
        return new

    show = command("demo", lambda options: demo.stop() if options.stop else demo.start(), "see it work here")
    show.add_argument("--stop", action="store_true", help="stop and remove what the demo started")

    take = command(
        "picture", lambda options: pictures.take(options.name), "take the docs' pictures, of real logins to the demo"
    )
    take.add_argument("name", nargs="*", help=f"{', '.join(pictures.known())} (default: all)")

    summary = "run the tests, or some parts of them"
    test = command("test", run_tests, summary)
    test.add_argument(
        "part", nargs="*", metavar="PART",
        help=f"{', '.join(testing.PARTS)}; quick; enforcing; of molecule, {', '.join(testing.SCENARIOS)} "
        "(default: everything but quick and enforcing)",
    )  # fmt: skip
    test.add_argument(
        "--jobs", type=int, default=testing.JOBS,
        help=f"checks at a time, where nothing is timed; 1 prints their output as it comes (default: {testing.JOBS})",
    )  # fmt: skip
    command("lint", lambda options: testing.run_parts(["lint"]), "check style, types and documentation")

    measure = command("bench", lambda options: bench.start(options.arguments), "measure what an alert costs a login")
    measure.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="[PART [N]]",
        help="hook, login, faults, cost, storm, kinds, short, fleet or webhook, and how many runs; without any: all of "
        "docs/bench.md anew",
    )  # fmt: skip

    summary = "build the Docker images of the tests, if need be (molecule calls this)"
    command("prepare", lambda options: testing.prepare(), summary)
    probe = command("fuzz", lambda chosen: fuzz.start(chosen.target, chosen.seconds), "look for what breaks a parser")
    probe.add_argument("target", nargs="?", help=f"{', '.join(fuzz.TARGETS)} (default: all)")
    probe.add_argument("seconds", nargs="?", type=int, default=fuzz.SECONDS, help=f"for each (default: {fuzz.SECONDS})")

    summary = "make the tables of variables and of tested hosts, and the role's defaults"
    command("docs", lambda options: environment.run_python("tools/variables.py"), summary)
    command("lock", lambda options: lock.renew(), "make the locks of the development dependencies anew")
    command("env", lambda options: environment.ensure(), "make or update the virtual environment .dev/venv")
    command("shell", shell, "open a shell with the virtual environment active")
    command("clean", clean, "remove everything that ./dev made")
    return top


def run_tests(options: argparse.Namespace) -> int:
    """Run parts of the tests, or what pytest's own arguments select of the unit tests."""
    if not options.pytest:
        return testing.run_parts(options.part, options.jobs)
    if options.part != ["unit"]:
        raise Failure("only `./dev test unit` takes arguments of pytest behind --")
    return testing.run_selected(options.pytest)


def shell(options: argparse.Namespace) -> None:
    """Replace ourselves by the user's shell."""
    environment.ensure()
    name = os.environ.get("SHELL", "/bin/sh")
    os.execve(name, [name], environment.variables())


def clean(options: argparse.Namespace) -> None:
    """Remove containers, networks, images and .dev/."""
    if engine.answers():
        demo.stop()
        for name in engine.container_names("loginwatch"):
            run("docker", "rm", "--force", "--volumes", name)
        networks = ("docker", "network", "ls", "--filter", "name=^loginwatch-", "--format", "{{.Name}}")
        for network in output(*networks).split():
            run("docker", "network", "rm", network)
        # Those of molecule/images/, and what a test or a bench that was interrupted has made of them.
        for image in output("docker", "images", "--filter", "reference=loginwatch/*", "--format", "{{.ID}}").split():
            run("docker", "image", "rm", "--force", image)
    if STATE.exists():
        say(f"removing {STATE}")
        shutil.rmtree(STATE)
