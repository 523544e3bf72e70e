# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take a picture of the page, as in the README: `python3 -m tests.lab.receiver.screenshot`, with Debian's chromium.

Without --of, the picture shows a sample alert, sent to a receiver that is started for it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import Request, urlopen

from .sample import alert_of_now
from .server import Receiver

WIDTH = 680
SCALE = 2

# These keep Chromium from connecting to anything but the receiver.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-US", "--no-first-run",
    "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium(url: str, *arguments: str, timeout: float = 60.0) -> str:
    """Run headless Chromium once on `url` and return its standard output.

    Raises RuntimeError if it is missing, fails or takes longer than `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=4000", *arguments, url]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, "TZ": "UTC"}
            )
        except FileNotFoundError:
            raise RuntimeError("chromium is missing: apt-get install chromium fonts-lato") from None
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"chromium did not finish {url} within {timeout} s") from None
    if done.returncode:
        raise RuntimeError(f"chromium failed on {url}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def take(page: str, output: Path, *, last: int = 1, width: int = WIDTH, channel: str = "") -> None:
    """Write a picture (PNG) of the last messages on the receiver's page at `page`, cropped to them.

    width: in CSS pixels; the picture has SCALE times as many. channel: only this channel, or this kind
    """
    url = f"{page.rstrip('/')}/?picture&last={last}" + (f"&channel={channel}" if channel else "")
    height = re.search(r'data-height="(\d+)"', chromium(url, f"--window-size={width},1000", "--dump-dom"))
    if height is None:
        raise RuntimeError(f"{url} did not show its messages")
    output.parent.mkdir(parents=True, exist_ok=True)
    size = f"--window-size={width},{height.group(1)}"
    chromium(url, size, f"--force-device-scale-factor={SCALE}", f"--screenshot={output.resolve()}")
    if not output.exists():
        raise RuntimeError(f"chromium wrote no {output}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.lab.receiver.screenshot", description=__doc__)
    parser.add_argument("--of", metavar="URL", help="the page of a receiver that runs, such as http://127.0.0.1:8080/")
    parser.add_argument("--last", type=int, default=1, help="how many of its last messages to show (default 1)")
    parser.add_argument("--channel", default="", help="only messages of this kind of channel, such as discord")
    parser.add_argument("--output", type=Path, default=Path("docs/images/alert.png"))
    options = parser.parse_args()
    try:
        if options.of:
            take(options.of, options.output, last=options.last, channel=options.channel)
        else:
            with tempfile.TemporaryDirectory() as state:
                receiver = Receiver(Path(state))
                receiver.start()
                page = "http://{}:{}".format(*receiver.address("http"))
                body = json.dumps(alert_of_now()).encode()
                hook = Request(f"{page}/services/T00000000/B00000000/not-a-real-secret", body)  # noqa: S310
                hook.add_header("Content-Type", "application/json")
                urlopen(hook, timeout=10).close()  # noqa: S310
                take(page, options.output)
                receiver.stop()
    except (RuntimeError, OSError) as error:
        print(f"receiver.screenshot: {error}", file=sys.stderr)
        return 1
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
