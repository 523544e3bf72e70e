# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promises of the parsers for any input. This must run on every Python that the notifier runs on."""

import json
import os
import shutil
import tempfile

from ssh_login_notify import alert, channels, config, pam_stack, state, wording
from ssh_login_notify.capture import Capture
from ssh_login_notify.channels import slack
from ssh_login_notify.delivery import Delivery
from ssh_login_notify.queue import Queue
from ssh_login_notify.spool import DIRECTORIES, Spool
from ssh_login_notify.triage import Triage

NAME = "1763884862.123456-4242"
NOW = 1763884870.0
PROGRAM = "/usr/local/bin/ssh-login-notify"
WEBHOOK = "https://slack.invalid/services/T00000000/B00000000/not-a-real-secret"
CONFIGURATION = config.Configuration({"webhook_url": WEBHOOK})
# Slack's limits (docs.slack.dev, Block Kit): header, a field, fields of a section, blocks of a message.
HEADER, FIELD, FIELDS, BLOCKS = 150, 2000, 10, 50


def environment(data: bytes) -> None:
    """Check that any raw environment of a login becomes an alert that can be stored, logged and sent."""
    capture = Capture(NAME, data)
    last = dict(entry.split(b"=", 1) for entry in data.partition(b"\0\0")[2].split(b"\0") if b"=" in entry[1:])
    last.pop(b"", None)
    assert capture.environment == last, "the last of two equal names counts"
    built = alert.build(capture, "unknown")
    kept = alert.from_json(alert.to_json(built))
    assert kept == built
    line = alert.log_line(kept)
    assert "\n" not in line
    assert line.isprintable()
    shown = wording.line(kept, CONFIGURATION, NOW)
    labels = [field.name for field in wording.fields(kept, CONFIGURATION, NOW) if field.name in wording.LINE]
    assert shown.count("·") == len(labels) - 1, "only our own separators are left"
    fits(slack.single(kept, CONFIGURATION, NOW))
    fits(slack.digest(slack.fitting([kept] * 12, CONFIGURATION, NOW), CONFIGURATION, NOW))


def fits(message: dict) -> None:
    """Check that Slack accepts the message, and that it mentions nobody."""
    assert len(message["blocks"]) <= BLOCKS
    text = message["text"].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not set("<>&") & set(text), "everything that is not plain text is escaped"
    for block in message["blocks"]:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= HEADER
        for field in block.get("fields", []):
            assert 0 < len(field["text"]) <= FIELD
        assert len(block.get("fields", [])) <= FIELDS


def spool(data: bytes) -> None:
    """Check that no file of the service user in the spool blocks delivery: it is sent, or set aside with a reason."""
    root = tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        for directory in DIRECTORIES:
            os.mkdir(os.path.join(root, directory))
        queue = Spool(root)
        for name in ("sender.json", "memory.json", "repeats.json"):
            queue.write("state", name, data, 0o600)
        remembered = state.State(queue)
        assert json.loads(json.dumps(remembered.recent)) == remembered.recent
        assert remembered.seconds_left() >= 0
        queue.write("outgoing", NAME, data, 0o600)
        channel = channels.load(CONFIGURATION.channels[0], CONFIGURATION, queue)
        run = Delivery(Queue(queue), CONFIGURATION, channel, Triage(queue, CONFIGURATION))
        loaded = run._load(NAME, [])
        if loaded:
            fits(slack.single(loaded, CONFIGURATION, NOW))
            assert queue.names("outgoing") == [NAME]
        else:
            assert queue.names("outgoing") == []
    finally:
        shutil.rmtree(root)


def pam(data: bytes) -> None:
    """Check that a PAM file is edited and restored byte for byte, or left unchanged with a reason."""
    try:
        text = pam_stack.decode(data)
        holds_ours = pam_stack.find(text, PROGRAM) is not None or pam_stack.WITHHOLDING in text
        edited = pam_stack.present(text, PROGRAM)
    except pam_stack.PamStackError:
        return
    assert pam_stack.decode(pam_stack.encode(edited)) == edited
    assert pam_stack.fault(edited, PROGRAM) is None
    assert pam_stack.present(edited, PROGRAM) == edited, "a second run changes nothing"
    pam_stack.user_environment_readers("/etc/pam.d/sshd", edited)
    pam_stack.written_by(edited)
    if not holds_ours:
        assert pam_stack.absent(edited, PROGRAM) == text, "removal restores the file"


TARGETS = {"environment": environment, "spool": spool, "pam": pam}
