# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of ./dev."""

from __future__ import annotations

import argparse
import os
import shutil

from . import demo, engine, environment, fuzz, images, testing
from .command import ROOT, STATE, exit_code, output, run, say

DESCRIPTION = "Work on the collection loginwatch.pam. Each command first installs what it needs and says so."
EPILOG = """\
examples:
  ./dev demo                        a demonstration: a server, a stand-in for Slack, real logins, their alerts
  ./dev test                        all tests: lint, unit tests, real servers
  ./dev test quick                  lint, three Pythons, two scenarios on one platform
  ./dev test unit receiver          only these parts
  ./dev test unit -- FILE -k NAME   one test, by pytest's own arguments, with the Python of .dev/venv
  ./dev test unit-3.6 -- FILE       the same, with this Python: a session of nox (noxfile.py)
  ./dev test faults outage          these scenarios on real servers
  ./dev shell                       a shell in which molecule and ansible-playbook are at hand

What ./dev makes is in .dev/, in Docker images loginwatch/*, and in containers labelled loginwatch; `./dev clean`
removes all of it. Debian packages, and a Docker engine that it had to install, stay.
"""


def main(arguments: list[str]) -> int:
    """Run one command, and return its exit code: 0 on success."""
    # Only `test` passes on what follows --. `bench` passes on all of its arguments.
    end = arguments.index("--") if arguments[:1] == ["test"] and "--" in arguments else len(arguments)
    options = parser().parse_args(arguments[:end])
    options.words = arguments[end + 1 :]
    os.chdir(ROOT)
    return exit_code(options.run, options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the commands and their options."""
    top = argparse.ArgumentParser(
        prog="./dev", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function, summary: str) -> argparse.ArgumentParser:
        new = commands.add_parser(name, help=summary, description=summary)
        new.set_defaults(run=function)
        return new

    show = command("demo", lambda options: demo.stop() if options.stop else demo.start(), "run a demonstration")
    show.add_argument("--stop", action="store_true", help="stop and remove what the demo started")

    take = command("picture", picture, "take the pictures of the docs, from real logins to the demo")
    take.add_argument("name", nargs="*", help="alert, digest, heavy-teams and so on, as in docs/images (default: all)")

    summary = "run the tests, or some parts of them"
    test = command("test", run_tests, summary)
    test.add_argument(
        "part", nargs="*", metavar="PART",
        help=f"{', '.join(testing.PARTS)}; quick; enforcing; a scenario: {', '.join(testing.SCENARIOS)}; "
        "or a session of noxfile.py (default: everything but quick and enforcing)",
    )  # fmt: skip
    test.add_argument(
        "--jobs", type=int, default=testing.JOBS,
        help=f"checks at a time, where nothing is timed; 1 prints their output as it comes (default: {testing.JOBS})",
    )  # fmt: skip
    command("lint", lambda options: testing.run_parts(["lint"]), "check style, types and documentation")

    measure = command("bench", bench, "measure the cost of an alert to a login")
    measure.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="[PART [N]]",
        help="hook, login, faults, cost, open, storm, kinds, short, fleet, audit or webhook, and how many runs "
        "(default: all parts, for docs/bench.md)",
    )  # fmt: skip

    summary = "build the Docker images of the tests if they are out of date (molecule calls this)"
    command("prepare", lambda options: images.prepare(), summary)
    probe = command("fuzz", lambda of: session("fuzz", of.target, str(of.seconds)), "fuzz the parsers")
    probe.add_argument("target", nargs="?", default="all", help=f"{', '.join(fuzz.TARGETS)} (default: all)")
    probe.add_argument("seconds", nargs="?", type=int, default=fuzz.SECONDS, help=f"for each (default: {fuzz.SECONDS})")

    summary = "make the tables of variables and of tested hosts, and the role's defaults"
    command("docs", lambda options: session("docs"), summary)
    command("lock", lambda options: session("lock"), "remake the lock files of the development dependencies")
    command("env", lambda options: environment.ensure(), "make or update the virtual environment .dev/venv")
    command("shell", shell, "open a shell with the virtual environment active")
    command("clean", clean, "remove everything that ./dev made")
    return top


def run_tests(options: argparse.Namespace) -> int:
    """Run parts of the tests, or those tests of one part that the arguments after -- select."""
    if options.words:
        return testing.run_selected(options.part, options.words)
    return testing.run_parts(options.part, options.jobs)


def picture(options: argparse.Namespace) -> None:
    """Take pictures, in .dev/venv."""
    environment.ensure()
    run(environment.program("python"), "-B", "-m", "tools.pictures", *options.name, env=environment.variables())


def bench(options: argparse.Namespace) -> None:
    """Run the benchmark with its own arguments. One part of it imports the notifier's modules."""
    environment.ensure()
    images.prepare()
    variables = {**environment.variables(), "PYTHONPATH": str(ROOT / "files")}
    run(environment.program("python"), "-m", "bench", *options.arguments, env=variables)


def session(name: str, *words: str) -> None:
    """Run a nox session, with these words after --."""
    environment.ensure_nox()
    run(*environment.nox("--session", name, words=list(words)))


def shell(options: argparse.Namespace) -> None:
    """Replace this process by the user's shell."""
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
        # Those of molecule/images/, and those that an interrupted test or benchmark has left.
        for image in output("docker", "images", "--filter", "reference=loginwatch/*", "--format", "{{.ID}}").split():
            run("docker", "image", "rm", "--force", image)
    if STATE.exists():
        say(f"removing {STATE}")
        shutil.rmtree(STATE)
