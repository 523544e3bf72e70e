# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a bare virtual environment pip: what ansible-test downloads a script for, done with what Python brings along.

ansible-test runs this file with pip's options and the wanted packages (`pip==24.2 …`) as arguments.
"""
import subprocess
import sys

MEANT_FOR_GET_PIP = ("--no-setuptools", "--no-wheel")


def main() -> int:
    """Install the pip of the standard library, and let it fetch the wanted one."""
    # A process each: ensurepip makes pip ignore the user's settings (index, certificates) as long as it runs.
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    arguments = [argument for argument in sys.argv[1:] if argument not in MEANT_FOR_GET_PIP]
    return subprocess.call([sys.executable, "-m", "pip", "install", *arguments])


if __name__ == "__main__":
    sys.exit(main())
