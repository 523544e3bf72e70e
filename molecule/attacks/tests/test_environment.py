# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's own environment file runs nothing in the notifier's processes."""

from __future__ import annotations

import pytest
from attacks.setup import usual_notifier
from logins import Login

testinfra_hosts = ["ansible://systemd"]

PAM_ENVIRONMENT = "/home/intruder/.pam_environment"
LOADED = "/var/tmp/loaded"  # noqa: S108 - as the payload has it
PAYLOAD = "/home/intruder/payload.so"


@pytest.fixture
def environment(host):
    """Put lines into the intruder's environment file, as the intruder could: environment("NAME DEFAULT=value")."""

    def write(*lines: str) -> None:
        text = "\n".join(lines)
        host.check_output("printf '%%s\\n' %s > %s", text, PAM_ENVIRONMENT)

    host.check_output(f"mkdir -p {LOADED} && chmod 1777 {LOADED}")
    yield write
    host.check_output(f"rm -rf {PAM_ENVIRONMENT} {LOADED}")


def loaded_by_others(host) -> str:
    """The other users in whose processes the intruder's code has run, by name."""
    noted = host.check_output(f"ls {LOADED} && rm -f {LOADED}/*").split()
    numbers = {int(name.partition("-")[2]) for name in noted}
    names = {host.check_output(f"id -nu {number}") for number in numbers}
    return ", ".join(sorted(names - {"intruder"}))


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_AUDIT"])
def test_no_code_of_the_intruder_is_loaded(variable, host, intruder, environment, verdict):
    def attempt() -> tuple[str, Login]:
        login = intruder.command()
        return loaded_by_others(host), login

    environment(f"{variable} DEFAULT={PAYLOAD}")
    with usual_notifier(host):
        usual, _login = attempt()
    ours, login = attempt()
    verdict(f"{variable} in ~/.pam_environment", f"code runs as {usual}" if usual else "", ours, [login])
