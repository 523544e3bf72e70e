# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Six hosts as a fleet that has grown has them: three releases of Debian, two without systemd, one with a notifier that
was set up by hand, one whose sshd asks no PAM. The roll-out stops there, and the report tells the truth about each."""

from __future__ import annotations

import pytest

from tests.lab import byhand
from tests.lab.operating import CLEAN, GROWN, PROGRAM, Operator, make_bare

STOPPED_AT = "nopam"
ONE_BY_ONE = ("-e", '{"deploy_batches": [1]}')
ADOPT = {"ssh_login_notify_adopt": True}
SSHD = "/etc/ssh/sshd_config"
# Its first process is sshd, which reads its configuration anew.
RELOAD = "sshd -t && kill -HUP 1"


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Operator:
    return Operator(tmp_path_factory.mktemp("operator"), GROWN)


@pytest.fixture(scope="module")
def stopped(play, grown_servers):
    """The roll-out that comes to a host on which it can't work."""
    nopam = grown_servers[STOPPED_AT]
    byhand.set_up(grown_servers["byhand"])
    # Without PAM, sshd itself looks whether an account is locked, as one without any password is.
    nopam.check_output("cp -a %s /root/sshd_config && usermod -p '*' deploy", SSHD)
    nopam.check_output(f"sed -i 's/^UsePAM yes/UsePAM no/' {SSHD} && {RELOAD}")
    yield play("deploy", ONE_BY_ONE, byhand=ADOPT)
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


def test_once_the_host_is_mended_the_rest_follows(stopped, play, verify, grown_servers):
    grown_servers[STOPPED_AT].check_output(f"sed -i 's/^UsePAM no/UsePAM yes/' {SSHD} && {RELOAD}")
    run = play("deploy", byhand=ADOPT)
    assert run.status == 0, run.output
    for name in ("debian11", "byhand", "debian12-plain"):
        assert run.recap(name)["changed"] == 0, f"{name} was done before:\n{run.output}"
    run, records = verify(byhand=ADOPT)
    assert run.status == 0, run.output
    assert {record["state"] for record in records.values()} == {"ok"}
