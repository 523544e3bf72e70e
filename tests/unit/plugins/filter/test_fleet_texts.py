# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet_texts: the words about a fleet, in the page and in the terminal."""

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.fleet_texts import COLUMNS, FilterModule, fleet_texts

AT = 1763884862.5
RECORD = {
    "host": "web-3", "label": "", "state": "ok", "version": "", "last_delivery": None, "waiting": None, "failed": 0,
    "complete_since": None, "missed": None, "last_missed": None, "not_proven": "", "real_login": "not tried",
    "problems": [], "channels": [], "sandbox_without": [],
}  # fmt: skip


def texts(missed_hosts=0, last_missed=None, **record):
    hosts = [dict(RECORD, **record)]
    fleet = {"states": {"critical": 1, "ok": 1}, "missed_hosts": missed_hosts, "last_missed": last_missed}
    return fleet_texts(dict(fleet, hosts=hosts))


def test_what_is_not_known_is_a_dash():
    assert FilterModule().filters() == {"fleet_texts": fleet_texts}
    (host,) = texts()["hosts"]
    assert [cell["text"] for cell in host["cells"]] == [
        "web-3", "ok", "-", "-", "-", "0", "-", "-", "-", "not tried", "-",
    ]  # fmt: skip
    assert len(host["cells"]) == len(COLUMNS)
    assert host["summary"] == ["web-3", "ok", "-", "-", "not tried"]
    assert host["notes"] == []
    assert host["cells"][1] == {"label": "State", "text": "ok", "rank": 1, "css": "state ok"}


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ({"complete_since": AT, "missed": 0}, "Complete since 2025-11-23 08:01."),
        ({"not_proven": "x"}, "It is not proven that every login was reported: x."),
        ({"problems": ["y"]}, "y"),
        ({"channels": [{"name": "a", "well": True}, {"name": "b", "well": False}]},
         "2 channels, of which these have a problem: b."),
    ],
)  # fmt: skip
def test_a_note_is_a_sentence(record, note):
    assert texts(**record)["hosts"][0]["notes"] == [note]


@pytest.mark.parametrize(("number", "hosts"), [(1, "1 host"), (2, "2 hosts")])
def test_hosts_that_missed_a_login(number, hosts):
    found = texts(number, AT)
    assert found["missed"] == f"On {hosts} a login was not reported, the last one at 2025-11-23 08:01 UTC."
    assert found["missed_exactly"] == f"On {hosts} a login was not reported, the last one at 2025-11-23 08:01:02 UTC."
    assert (texts()["missed"], texts(1)["missed"]) == ("", "On 1 host a login was not reported.")
