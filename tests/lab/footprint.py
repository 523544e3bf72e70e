# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the files of a server that have changed since people.prepare() recorded them."""


def changes(host) -> list[str]:
    """Return the lines that differ between the recorded footprint (-) and the current one (+); see footprint.sh."""
    then = host.check_output("cat /root/footprint").splitlines()
    now = host.check_output("sh /root/footprint.sh").splitlines()
    assert len(then) > 1000, "the recorded footprint is too short"
    lost, new = set(then) - set(now), set(now) - set(then)
    return sorted([f"- {line}" for line in lost] + [f"+ {line}" for line in new], key=lambda line: line[2:])
