# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run many ssh clients: the part of a Fleet (fleet.py) that runs inside its container.

Standard input is a line of JSON, {"commands": [[...], ...], "input": "", "at_a_time": 8}. Each command runs to its end,
`at_a_time` of them in parallel. Standard output has their results in the same order: [{"started", "ended", "code",
"output", "errors"}, ...]. With "at_a_time": 0 all start at once and run until standard input is closed.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

LIMIT_SECONDS = 120  # far more than a login takes, even in a storm


def run(command: "list[str]", text: str) -> "dict[str, object]":
    """Run one client to its end."""
    started = time.time()
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=LIMIT_SECONDS, check=False
        )
        code, output, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, output, errors = -1, "", f"it did not end within {LIMIT_SECONDS} s"
    return {"started": started, "ended": time.time(), "code": code, "output": output, "errors": errors}


def hold(commands: "list[list[str]]") -> None:
    """Run all clients until standard input is closed, and print how many of them were still running."""
    clients = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
    print("started", flush=True)
    sys.stdin.read()
    print(sum(client.poll() is None for client in clients), flush=True)
    for client in clients:
        client.terminate()
        client.wait()


if __name__ == "__main__":
    orders = json.loads(sys.stdin.readline())
    if not orders["at_a_time"]:
        hold(orders["commands"])
    else:
        with ThreadPoolExecutor(orders["at_a_time"]) as pool:
            results = pool.map(run, orders["commands"], [orders["input"]] * len(orders["commands"]))
            json.dump(list(results), sys.stdout)
