# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip by Python's ensurepip, in place of the script that ansible-test downloads for its environments.

ansible-test runs this file with pip's options and the wanted packages (`pip==24.2 …`) as arguments.
"""
import subprocess
import sys

MEANT_FOR_GET_PIP = ("--no-setuptools", "--no-wheel")


def main() -> int:
    """Install the pip of the standard library, and let it fetch the requested version."""
    # Two processes, because ensurepip makes pip ignore the user's settings (index, certificates) in its own process.
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    arguments = [argument for argument in sys.argv[1:] if argument not in MEANT_FOR_GET_PIP]
    return subprocess.call([sys.executable, "-m", "pip", "install", *arguments])


if __name__ == "__main__":
    sys.exit(main())
