# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the docs: each form of message, made by real logins to the demo's server."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from functools import partial

from tests.lab import chats
from tests.lab.containers import address
from tests.lab.logins import Person
from tests.lab.receiver.client import Message, Receiver
from tests.lab.settings import CONFIGURATION, STATE, change, configured

from . import demo, engine, environment, system
from .command import ROOT, output, run, say

IMAGES = ROOT / "docs" / "images"
MUTES = "/var/spool/ssh-login-notify/mutes"
PROGRAM = "ssh-login-notify"
MESSAGE_SECONDS = 60.0
# Of these forms of message there is a picture for each of these kinds of channel, too: `heavy-teams`.
FORMS = ("alert", "heavy", "digest", "test", "self-check")
CHANNELS = ("teams", "discord", "email")


def take(names: list[str]) -> None:
    """Take these pictures, or all of them, by the names of their files in docs/images."""
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
    """Have one form of message come, and take its pictures: of the message in each of these kinds of channel.

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
    """Tell whether a message is in a channel of this kind."""
    return message.channel.partition("/")[0] == kind


def entry(kind: str) -> dict[str, object]:
    """Return a channel of this kind at the demo's receiver."""
    return chats.settings(kind, "receiver:2525" if kind == "email" else "https://receiver:8443", f"the-{kind}")


def alert(_receiver: Receiver) -> None:
    """A login like those before."""
    ada().interactive()


def heavy(receiver: Receiver) -> None:
    """Root, by a key that nobody knows and that somebody has put into root's file."""
    mallory = demo.DIRECTORY / "mallory"
    if not mallory.exists():
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mallory@laptop", "-f", mallory)
    line = mallory.with_suffix(".pub").read_text().strip()
    shell(f"mkdir -p -m 0700 /root/.ssh && echo {shlex.quote(line)} > /root/.ssh/authorized_keys")
    Person("root", address(demo.SERVER), demo.DIRECTORY / "root", mallory).command()


def follow_up(receiver: Receiver) -> None:
    """A shell that a tunnel has opened later."""
    mark = receiver.last()
    with ada().shared() as connection:
        receiver.wait_for(lambda message: "Tunnel" in message.fields.get("Type", ""), after=mark)
        connection.open_shell()
        receiver.wait_for(lambda message: "opened more" in (message.header or ""), after=mark)


def repeats(receiver: Receiver) -> None:
    """The last of several logins of an editor."""
    with configured(shell, repeat_minutes=5):
        told(receiver, lambda: ada().command())
        for _login in range(12):
            ada().command()
        time.sleep(5)
        shell(change(f"{STATE}/repeats.json", "[entry.update(began=entry['began'] - 600) for entry in found.values()]"))
        told(receiver, lambda: shell(f"{PROGRAM} flush"))


def digest(receiver: Receiver) -> None:
    """A backlog, one of whose logins is heavy."""
    with receiver.away():
        for _login in range(11):
            ada().command()
        Person("root", address(demo.SERVER), demo.DIRECTORY / "root", demo.DIRECTORY / "mallory").command()
        time.sleep(5)
    shell(f"{PROGRAM} flush || true")


def mute(_receiver: Receiver) -> None:
    """A mute that a script of Ada's begins for its own logins."""
    ada().command("sudo ssh-login-notify mute --minutes 10 --reason 'deploy 4711'")


def unmute(_receiver: Receiver) -> None:
    """The end of that mute, and what came in meanwhile."""
    for _login in range(3):
        ada().command()
        ada().sftp()
    time.sleep(5)
    shell(f"cd {MUTES}; sed -i 's/\"until\": [0-9.]*/\"until\": '$(($(date +%s) - 60))'/' *")
    look()


def summary(receiver: Receiver) -> None:
    """What had no message of its own since yesterday."""
    rule = {"user": "deploy", "type": "SSH (interactive)", "reason": "the nightly backup"}
    with configured(shell, ignore=[rule]):
        for _login in range(4):
            ada().interactive()
        time.sleep(5)
    shell(change(f"{STATE}/summary.json", "found.update(since=found['since'] - 2 * 86400)"))
    look()


def test(_receiver: Receiver) -> None:
    """A test alert."""
    shell(f"{PROGRAM} test")


def heartbeat(_receiver: Receiver) -> None:
    """A heartbeat."""
    shell(f"{PROGRAM} heartbeat")


def self_check(_receiver: Receiver) -> None:
    """A fault that the host finds by itself."""
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
    """The person whose key the demo has."""
    return Person("deploy", address(demo.SERVER), demo.DIRECTORY, demo.DIRECTORY / "key")


def told(receiver: Receiver, act: Callable[[], object]) -> Message:
    """Do something, and return the first message that comes of it."""
    mark = receiver.last()
    act()
    return receiver.wait_for(after=mark, timeout=MESSAGE_SECONDS)[0]


def shell(script: str) -> str:
    """Return what a script prints that root runs on the demo's server."""
    return output("docker", "exec", demo.SERVER, "sh", "-ec", script)


def look() -> None:
    """Have the host check itself now."""
    for path in (f"{STATE}/watch.json", CONFIGURATION, "/usr/local/lib/ssh-login-notify/manifest.json"):
        shell(f"test ! -e {path} || touch -d '-10min' {path}")
    shell("systemctl start --wait ssh-login-notify.service")
