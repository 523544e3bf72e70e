# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Six hosts of a fleet that has grown: three releases of Debian, two hosts without systemd, one with a hand-made
notifier, one whose sshd does not use PAM. The roll-out stops at that one, and the report is correct for each host."""

from __future__ import annotations

import pytest

from tests.lab import byhand
from tests.lab.operating import AT_ONCE, CLEAN, GROWN, PROGRAM, Operator, make_bare

STOPPED_AT = "nopam"
ONE_BY_ONE = ("-e", '{"deploy_batches": [1]}')
ADOPT = {"ssh_login_notify_adopt": True}
SSHD = "/etc/ssh/sshd_config"
FOOTPRINT = "sh /root/footprint.sh"
# The first process is sshd, which rereads its configuration.
RELOAD = "sshd -t && kill -HUP 1"


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Operator:
    return Operator(tmp_path_factory.mktemp("operator"), GROWN)


@pytest.fixture(scope="module")
def stopped(play, grown_servers):
    """A roll-out that reaches a host on which it can't work."""
    nopam = grown_servers[STOPPED_AT]
    byhand.set_up(grown_servers["byhand"])
    # Without PAM, sshd itself checks for locked accounts, such as one without any password.
    nopam.check_output("cp -a %s /root/sshd_config && usermod -p '*' deploy", SSHD)
    nopam.check_output(f"sed -i 's/^UsePAM yes/UsePAM no/' {SSHD} && {RELOAD}")
    before = nopam.check_output(FOOTPRINT)
    # No module runs on that host, so a host whose Python does not work is not changed either.
    run = play("deploy", ONE_BY_ONE, byhand=ADOPT, nopam={"ansible_python_interpreter": "/bin/false"})
    assert nopam.check_output(FOOTPRINT) == before, "nothing was changed on it"
    yield run
    nopam.check_output(f"cp -a /root/sshd_config {SSHD} && usermod -p '!' deploy && {RELOAD}")
    # The scenario `remove` has the other releases.
    run = play("remove", (*CLEAN, "-e", "target=debian11"))
    byhand.clear(grown_servers["byhand"])
    assert run.status == 0, run.output
    assert not grown_servers["debian11"].file(PROGRAM).exists
    make_bare(grown_servers.values())


def test_the_roll_out_stops_at_the_host_that_can_not_be_served(stopped, grown_servers):
    behind = GROWN[GROWN.index(STOPPED_AT) + 1 :]
    assert stopped.status != 0
    for name, server in grown_servers.items():
        reached = name != STOPPED_AT and name not in behind
        assert server.file(PROGRAM).exists == reached, name
        assert stopped.recap(name).get("failed") == (0 if reached else 1 if name == STOPPED_AT else None), name
    told = " ".join(stopped.output.split())
    assert "sshd runs with UsePAM no" in told
    assert "Nothing was changed" in told
    assert "removed from" not in told
    assert grown_servers[STOPPED_AT].run("ls /root/ssh-login-notify-kept.*").rc != 0
    assert f"Hosts that were not reached yet: {', '.join(behind)}." in told


def test_the_report_tells_the_truth_about_each(stopped, verify):
    run, records = verify(byhand=ADOPT)
    assert run.status != 0
    assert {name: record["state"] for name, record in records.items()} == {
        "debian11": "ok", "byhand": "ok", "debian12-plain": "ok",
        "nopam": "critical", "debian12": "critical", "debian13": "critical",
    }  # fmt: skip
    assert {records[name]["real_login"] for name in ("debian11", "byhand", "debian12-plain")} == {"delivered"}
    assert "UsePAM" in records["nopam"]["problems"][0]
    for name in ("debian12", "debian13"):
        assert "not installed. Deploy it with `ansible-playbook loginwatch.pam.deploy`" in records[name]["problems"][0]


def test_once_the_host_is_mended_the_rest_follows(stopped, play, grown_servers):
    grown_servers[STOPPED_AT].check_output(f"sed -i 's/^UsePAM no/UsePAM yes/' {SSHD} && {RELOAD}")
    run = play("deploy", AT_ONCE, byhand=ADOPT)
    assert run.status == 0, run.output
    assert f"{len(GROWN)} of {len(GROWN)} hosts proven by a real login." in " ".join(run.output.split())
    for name in ("debian11", "byhand", "debian12-plain"):
        assert run.recap(name)["changed"] == 0, f"{name} was done before:\n{run.output}"
