# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let atheris (libFuzzer) look for bytes that break a promise: `python -m fuzz TARGET DIRECTORY... [-OPTION...]`.

New inputs go into the first directory. The run ends non-zero, with the input in ./crash-…, if one breaks a promise.
"""

import sys

import atheris

with atheris.instrument_imports(include=["ssh_login_notify"]):
    from .targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
