# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the docs' pictures: each form of message, from real logins to the demo's server."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.lab import chats
from tests.lab.containers import address
from tests.lab.logins import Person
from tests.lab.receiver.client import Message, Receiver
from tests.lab.settings import CONFIGURATION, STATE, change, configured

from . import demo, engine, environment, system
from .command import ROOT, Failure, exit_code, output, run, say

IMAGES = ROOT / "docs" / "images"
MUTES = "/var/spool/ssh-login-notify/mutes"
PROGRAM = "ssh-login-notify"
MESSAGE_SECONDS = 60.0
# These forms of message also have a picture for each of these kinds of channel: `heavy-teams`.
FORMS = ("alert", "heavy", "digest", "test", "self-check")
CHANNELS = ("teams", "discord", "email")


def take(*names: str) -> None:
    """Take these pictures, or all of them, by the names of their files in docs/images."""
    unknown = sorted(set(names) - set(known()))
    if unknown:
        raise Failure(f"there is no picture {unknown[0]!r}. Choose from: {', '.join(known())}")
    system.install("chromium", "fonts-lato", "fonts-noto-color-emoji")
    if not engine.container_names("loginwatch=demo"):
        demo.start()
    receiver = Receiver(demo.page().rstrip("/"))
    wanted = names or known()
    for name in [name for name in PICTURES if name in wanted]:
        take_one(receiver, name, [""])
    for form in FORMS:
        kinds = [kind for kind in CHANNELS if f"{form}-{kind}" in wanted]
        if kinds:
            with configured(shell, channels=[entry(kind) for kind in kinds]):
                take_one(receiver, form, kinds)


def known() -> list[str]:
    """Return the names of all pictures."""
    return [*PICTURES, *(f"{form}-{kind}" for form in FORMS for kind in CHANNELS)]


def take_one(receiver: Receiver, name: str, kinds: list[str]) -> None:
    """Cause one form of message, and take its picture in each of these kinds of channel.

    kinds: "" for the webhook, which is Slack's
    """
    receiver.settle()
    mark = receiver.last()
    PICTURES[name](receiver)
    for kind in kinds:
        target = IMAGES / (f"{name}-{kind}.png" if kind else f"{name}.png")
        say(f"taking docs/images/{target.name}")
        of_channel = partial(is_of, kind or "slack")
        receiver.wait_for(of_channel, after=mark, timeout=MESSAGE_SECONDS)
        receiver.settle()
        program = (environment.program("python"), "-m", "tests.lab.receiver.screenshot")
        run(*program, "--of", demo.page(), "--channel", kind, "--output", target)


def is_of(kind: str, message: Message) -> bool:
    """Return whether a message is in a channel of this kind."""
    return message.channel.partition("/")[0] == kind


def entry(kind: str) -> dict[str, object]:
    """Return the settings of a channel of this kind at the demo's receiver."""
    return chats.settings(kind, "receiver:2525" if kind == "email" else "https://receiver:8443", f"the-{kind}")


def alert(_receiver: Receiver) -> None:
    """Log in as usual."""
    ada().interactive()


def heavy(receiver: Receiver) -> None:
    """Log in as root, with an unknown key that was added to root's file."""
    mallory = demo.DIRECTORY / "mallory"
    if not mallory.exists():
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mallory@laptop", "-f", mallory)
    line = mallory.with_suffix(".pub").read_text().strip()
    shell(f"mkdir -p -m 0700 /root/.ssh && echo {shlex.quote(line)} > /root/.ssh/authorized_keys")
    Person("root", address(demo.SERVER), demo.DIRECTORY / "root", mallory).command()


def follow_up(receiver: Receiver) -> None:
    """Open a shell over an existing tunnel."""
    mark = receiver.last()
    with ada().shared() as connection:
        receiver.wait_for(lambda message: "Tunnel" in message.fields.get("Type", ""), after=mark)
        connection.open_shell()
        receiver.wait_for(lambda message: "opened more" in (message.header or ""), after=mark)


def repeats(receiver: Receiver) -> None:
    """Log in many times as an editor does, for the message that ends the series."""
    with configured(shell, repeat_minutes=5):
        told(receiver, lambda: ada().command())
        for _login in range(12):
            ada().command()
        time.sleep(5)
        shell(change(f"{STATE}/repeats.json", "[entry.update(began=entry['began'] - 600) for entry in found.values()]"))
        told(receiver, lambda: shell(f"{PROGRAM} flush"))


def digest(receiver: Receiver) -> None:
    """Log in during an outage, one login of them heavy, for a digest of the backlog."""
    with receiver.away():
        for _login in range(11):
            ada().command()
        Person("root", address(demo.SERVER), demo.DIRECTORY / "root", demo.DIRECTORY / "mallory").command()
        time.sleep(5)
    shell(f"{PROGRAM} flush || true")


def mute(_receiver: Receiver) -> None:
    """Begin a mute, as one of Ada's scripts does for its own logins."""
    ada().command("sudo ssh-login-notify mute --minutes 10 --reason 'deploy 4711'")


def unmute(_receiver: Receiver) -> None:
    """End that mute, after logins during it."""
    for _login in range(3):
        ada().command()
        ada().sftp()
    time.sleep(5)
    shell(f"cd {MUTES}; sed -i 's/\"until\": [0-9.]*/\"until\": '$(($(date +%s) - 60))'/' *")
    look()


def summary(receiver: Receiver) -> None:
    """Send the daily summary of logins that had no message of their own."""
    rule = {"user": "deploy", "type": "SSH (interactive)", "reason": "the nightly backup"}
    with configured(shell, ignore=[rule]):
        for _login in range(4):
            ada().interactive()
        time.sleep(5)
    shell(change(f"{STATE}/summary.json", "found.update(since=found['since'] - 2 * 86400)"))
    look()


def test(_receiver: Receiver) -> None:
    """Send a test alert."""
    shell(f"{PROGRAM} test")


def heartbeat(_receiver: Receiver) -> None:
    """Send a heartbeat."""
    shell(f"{PROGRAM} heartbeat")


def self_check(_receiver: Receiver) -> None:
    """Cause a fault that the host's self-check finds."""
    shell(f"cp -p {CONFIGURATION} /root/kept && chmod 0644 {CONFIGURATION}")
    look()
    shell(f"mv /root/kept {CONFIGURATION}")


PICTURES: dict[str, Callable[[Receiver], None]] = {
    "alert": alert,
    "heavy": heavy,
    "follow-up": follow_up,
    "repeats": repeats,
    "digest": digest,
    "mute": mute,
    "unmute": unmute,
    "summary": summary,
    "test": test,
    "heartbeat": heartbeat,
    "self-check": self_check,
}


def ada() -> Person:
    """Return the person whose key the demo has."""
    return Person("deploy", address(demo.SERVER), demo.DIRECTORY, demo.DIRECTORY / "key")


def told(receiver: Receiver, act: Callable[[], object]) -> Message:
    """Do something, and return the first message that results."""
    mark = receiver.last()
    act()
    return receiver.wait_for(after=mark, timeout=MESSAGE_SECONDS)[0]


def shell(script: str) -> str:
    """Run a script as root on the demo's server, and return its output."""
    return output("docker", "exec", demo.SERVER, "sh", "-ec", script)


def look() -> None:
    """Make the host's self-check run now."""
    for path in (f"{STATE}/watch.json", CONFIGURATION, "/usr/local/lib/ssh-login-notify/manifest.json"):
        shell(f"test ! -e {path} || touch -d '-10min' {path}")
    shell("systemctl start --wait ssh-login-notify.service")


if __name__ == "__main__":
    sys.exit(exit_code(take, *sys.argv[1:]))
