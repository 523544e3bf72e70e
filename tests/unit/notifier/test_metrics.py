# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics and counts: the textfile collector's input is well-formed and true, and is written to a safe place."""

import json
import os
import re
from pathlib import Path

import exposition
import parts
import pytest
from parts import alert, configuration, needs_root
from ssh_login_notify import config, counts, health, installation, metrics, proof, self_check, suspects
from ssh_login_notify.alert import REPEATS, TEST, own
from ssh_login_notify.login_types import INTERACTIVE, RSYNC
from ssh_login_notify.spool import ALERT_MODE
from ssh_login_notify.state import State
from ssh_login_notify.triage import Triage
from ssh_login_notify.weights import ANOMALY, ROOT

DOCUMENTED = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
PREFIX = "ssh_login_notify_"
FILE = "/var/lib/node_exporter/ssh_login_notify.prom"


class Host:
    """A host with metrics."""

    def __init__(self, root, monkeypatch, spool):
        self.spool = spool
        parts.make_well(root, monkeypatch)
        self.directory = root / "textfile"
        self.directory.mkdir()
        self.file = self.directory / "ssh_login_notify.prom"
        self.configuration = root / "ssh-notify.conf"
        monkeypatch.setattr(config.load, "__defaults__", (str(self.configuration),))
        monkeypatch.setattr(installation, "UNSETTLED_SECONDS", 0)
        monkeypatch.setattr(self_check, "is_due", lambda _spool: True)
        self.configure()

    def configure(self, **values):
        values = dict({"webhook_url": parts.WEBHOOK, "metrics_file": str(self.file)}, **values)
        self.configuration.write_text(json.dumps(values))
        self.configuration.chmod(0o600)

    def look(self):
        """Check the host, and return what the collector reads: the samples of each metric, without the prefix."""
        self_check.run_if_due(self.spool)
        found = exposition.parse(self.file.read_text(encoding="utf-8"))
        assert all(name.startswith(PREFIX) for name in found)
        return {name[len(PREFIX) :]: samples for name, (_kind, samples) in found.items()}


@pytest.fixture
def host(tmp_path, monkeypatch, spool, said):
    return Host(tmp_path, monkeypatch, spool)


def label(**labels):
    return tuple(labels.items())


@needs_root
def test_a_host_without_logins_has_metrics(host):
    found = host.look()
    ((version, one),) = found["build_info"].items()
    assert (dict(version).keys(), one) == ({"version"}, 1)
    assert found["alerts_waiting"] == {label(channel="webhook"): 0}
    assert found["alerts_failed"] == {label(channel="webhook"): 0}
    assert found["alerts_dropped_total"] == {label(channel="webhook"): 0}
    assert set(found["problems"]) == {label(severity="warning"), label(severity="critical")}
    assert set(found["logins_total"].values()) == {0}, "so that the first login is an increase"
    assert len(found["logins_total"]) == len(counts.TYPES) * len(counts.ALL_WEIGHTS) < 100
    assert "last_delivery_timestamp_seconds" not in found
    status = os.stat(str(host.file))
    assert (status.st_mode & 0o777, status.st_uid) == (0o644, 0)
    assert os.listdir(str(host.directory)) == [host.file.name]


@needs_root
def test_the_metrics_say_what_the_queue_and_the_log_have(host):
    waiting = alert(1)
    host.spool.write("outgoing", waiting["id"], b"{}", ALERT_MODE)
    host.spool.write("failed", alert(2)["id"], b"{}", ALERT_MODE)
    state = State(host.spool)
    delivery = dict.fromkeys(("user", "from", "address", "key", "type"), "")
    state.delivered([dict(delivery, id=alert(3)["id"], login_time=1, delivered_at=1763884862.5, status=200)])
    state.dropping(7)
    counts.count(host.spool, [alert(4, weights=[ANOMALY, ROOT], type=INTERACTIVE), alert(5, type=RSYNC)])
    kept = proof.Proof(host.spool)
    kept.kept.update(accepted=412, known=410, missed=1, doubts={"ended": 1}, complete_since=1763884000.25)
    kept.keep()
    found = host.look()
    table = re.findall(r"^\| `ssh_login_notify_(\w+)` \|", DOCUMENTED.read_text(encoding="utf-8"), re.M)
    assert sorted(found) == sorted(table)
    assert found["alerts_waiting"] == {label(channel="webhook"): 1}
    assert found["alerts_failed"] == {label(channel="webhook"): 1}
    assert found["alerts_dropped_total"] == {label(channel="webhook"): 7}
    assert found["oldest_waiting_timestamp_seconds"] == {label(channel="webhook"): float(waiting["id"].split("-")[0])}
    assert found["last_delivery_timestamp_seconds"] == {label(channel="webhook"): 1763884862.5}
    assert {labels: number for labels, number in found["logins_total"].items() if number} == {
        label(type=INTERACTIVE, weight=ANOMALY): 1, label(type=RSYNC, weight=counts.LIGHT): 1,
    }  # fmt: skip
    assert found["audit_accepted_logins_total"] == {(): 412}
    assert found["audit_known_logins_total"] == {(): 410}
    assert found["audit_missed_logins_total"] == {(): 1}
    assert set(found["audit_doubtful_logins_total"]) == {label(reason=reason) for reason in suspects.DOUBTS}
    assert found["audit_doubtful_logins_total"][label(reason="ended")] == 1
    assert found["complete_since_timestamp_seconds"][()] >= 1763884000.25
    assert found["audit_proven_until_timestamp_seconds"] == {(): kept.kept["proven"]}


@needs_root
def test_where_it_is_accepted_that_nothing_is_proven_no_rule_can_ask_since_when(host):
    host.configure(accept=["unproven_logins"])
    host.look()
    found = host.look()
    assert "audit_until_timestamp_seconds" in found
    assert "audit_proven_until_timestamp_seconds" not in found


@needs_root
def test_a_channel_has_metrics_of_its_own(host):
    entries = [{"name": name, "kind": "ntfy", "url": "https://ntfy.example/" + name} for name in ("one", "two")]
    host.configure(webhook_url="", channels=entries)
    for name in ("one", "two"):
        parts_of = host.spool.path("channels", name)
        for directory in ("outgoing", "failed", "state"):
            os.makedirs(os.path.join(parts_of, directory))
    assert host.look()["alerts_waiting"] == {(): 0, label(channel="one"): 0, label(channel="two"): 0}


def give(path):
    os.chown(str(path), 1, 1)


@needs_root
@pytest.mark.parametrize("change", [give, lambda path: path.chmod(0o777), lambda path: path.chmod(0o1777)])
def test_nothing_is_written_where_another_user_may_write(host, change):
    path = host.directory / "open"
    path.mkdir()
    change(path)
    host.configure(metrics_file=str(path / "a.prom"))
    self_check.run_if_due(host.spool)
    assert os.listdir(str(path)) == []
    (sentence,) = [found.sentence for found in health.examine(host.spool).problems if found.key == "metrics"]
    assert sentence.startswith(f"no metrics are written to {path}, because users other than root can write to it: ")
    assert f"chown root {path}" in sentence


@needs_root
def test_they_are_written_where_debian_has_the_directory_that_its_collector_reads(host):
    """/var/lib/prometheus belongs to prometheus, and node-exporter in it to root (the package's postinst)."""
    prometheus = host.directory / "prometheus"
    (prometheus / "node-exporter").mkdir(parents=True)
    give(prometheus)
    host.file = prometheus / "node-exporter" / "a.prom"
    host.configure(metrics_file=str(host.file))
    assert host.look()["problems"] == {label(severity="warning"): 0, label(severity="critical"): 0}
    assert os.stat(str(host.file)).st_uid == 0


@needs_root
def test_links_that_root_has_made_are_followed(host):
    (host.directory / "there").mkdir()
    (host.directory / "link").symlink_to("there/../there")
    (host.directory / "other").symlink_to(host.directory / "link")
    host.configure(metrics_file=str(host.directory / "other" / "a.prom"))
    self_check.run_if_due(host.spool)
    assert os.listdir(str(host.directory / "there")) == ["a.prom"]
    assert health.examine(host.spool).problems == []


@needs_root
@pytest.mark.parametrize("between", ["link", "directory"])
def test_nobody_changes_the_directory_between_the_check_and_the_writing(host, monkeypatch, between):
    """The owner of the parent directory can replace it at any time."""
    above = host.directory / "above"
    (above / "textfile").mkdir(parents=True)
    give(above)
    victim = host.directory / "victim"
    victim.mkdir()
    host.configure(metrics_file=str(above / "textfile" / "a.prom"))
    check = metrics.fault

    def exchange(path):
        said = check(path)
        (above / "textfile").rename(above / "away")
        if between == "link":
            (above / "textfile").symlink_to(victim)
        else:
            (above / "textfile").mkdir()
            give(above / "textfile")
        return said

    found = health.examine(host.spool)
    assert found.problems == []
    monkeypatch.setattr(metrics, "fault", exchange)
    metrics.write(host.spool, found)
    assert list(host.directory.glob("**/*.prom")) == []


@needs_root
@pytest.mark.parametrize("place", ["open/link/a.prom", "open/link/sub/a.prom", "other/a.prom"])
def test_nothing_is_written_where_another_user_may_change_a_link_on_the_way(host, place):
    for name in ("open", "there", "there/sub"):
        (host.directory / name).mkdir()
    give(host.directory / "open")
    (host.directory / "open" / "link").symlink_to(host.directory / "there")
    (host.directory / "other").symlink_to("open/link")
    host.configure(metrics_file=str(host.directory / place))
    self_check.run_if_due(host.spool)
    assert list(host.directory.glob("**/*.prom")) == []
    (sentence,) = [found.sentence for found in health.examine(host.spool).problems if found.key == "metrics"]
    assert "because users other than root can change a link on the way: " in sentence


@needs_root
def test_links_in_a_circle_are_told(host):
    (host.directory / "a").symlink_to("a")
    host.configure(metrics_file=str(host.directory / "a" / "a.prom"))
    self_check.run_if_due(host.spool)
    (sentence,) = [found.sentence for found in health.examine(host.spool).problems if found.key == "metrics"]
    assert "Too many levels of symbolic links" in sentence


@needs_root
def test_a_directory_that_is_missing_is_reported_and_not_made(host):
    host.configure(metrics_file=str(host.directory / "none" / "a.prom"))
    self_check.run_if_due(host.spool)
    assert os.listdir(str(host.directory)) == []
    (sentence,) = [found.sentence for found in health.examine(host.spool).problems if found.key == "metrics"]
    assert sentence.startswith("the directory of the metrics is missing: create ")


@needs_root
def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(host, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    host.file.symlink_to(victim)
    host.look()
    assert victim.read_text() == "untouched"
    assert not host.file.is_symlink()


@needs_root
def test_what_a_killed_writer_left_is_removed_and_nothing_of_others(host):
    others = [".other.prom.123", ".ssh_login_notify.prom.swp", "other.prom"]
    for name in [*others, ".ssh_login_notify.prom.123"]:
        (host.directory / name).write_text("x")
    host.look()
    assert sorted(os.listdir(str(host.directory))) == sorted([*others, host.file.name])


@needs_root
@pytest.mark.parametrize("value", [True, 1e300, float("nan"), -1, "x", None])
def test_no_value_of_the_service_users_file_makes_the_text_unreadable(host, value):
    sent = dict.fromkeys(("id", "user", "from", "address", "key", "type"), "")
    sent.update(login_time=1, status=200, delivered_at=value)
    kept = {"recent": [sent], "trouble": None, "not_before": 0, "dropped": value, "untold": value}
    host.spool.write("state", "sender.json", json.dumps(kept).encode(), ALERT_MODE)
    host.look()


@needs_root
def test_without_the_setting_nothing_is_counted_or_written(host):
    host.configure(metrics_file="")
    self_check.run_if_due(host.spool)
    assert os.listdir(str(host.directory)) == []
    Triage(host.spool, configuration()).delivered([alert()])
    assert not os.path.exists(host.spool.path("state", counts.FILE))


def test_hostile_labels_are_escaped():
    hostile = 'a"b\\c\nd{}=,# TYPE x counter\\n'
    text = metrics._exposed(("x", metrics.GAUGE, "A \\ help.", [({"channel": hostile, "b": ""}, 1)]))
    assert exposition.parse(text) == {PREFIX + "x": ("gauge", {label(channel=hostile, b=""): 1})}


def test_every_login_is_counted_once_reported_or_not(spool):
    found = configuration(metrics_file=FILE, ignore=[{"user": "backup", "reason": "x"}])
    triage = Triage(spool, found)
    reported, ignored = alert(1, weights=[ROOT], type=INTERACTIVE), alert(2, user="backup", weights=[], type=RSYNC)
    triage.delivered([reported])
    triage.delivered([reported])
    assert triage.settle(ignored)
    assert triage.settle(ignored)
    assert counts.logins(spool) == {INTERACTIVE: {ROOT: 1}, RSYNC: {counts.LIGHT: 1}}


def test_only_logins_are_counted(spool):
    follow_up = alert(2, follows=alert(1)["id"], was="SSH (tunnel)")
    counts.count(spool, [own(TEST, []), alert(1, about=REPEATS), follow_up])
    assert counts.logins(spool) == {}


def test_the_name_of_a_program_is_no_label(spool):
    counts.count(spool, [alert(number, type=f"SSH (command: x{number})") for number in range(20)])
    counts.count(spool, [alert(30, type="of a later version")])
    assert counts.logins(spool) == {"SSH (command)": {counts.LIGHT: 20}, counts.OTHER: {counts.LIGHT: 1}}


@pytest.mark.parametrize(
    "contents",
    [
        b"", b"{", b"[]", b"null", b'{"version": 2}', b'{"version": 1, "logins": [], "ids": []}', b"[" * 100000,
        b'{"version": 1, "logins": {"x": 3}, "ids": []}', b'{"version": 1, "logins": {}, "ids": 3}',
    ],
)  # fmt: skip
def test_a_damaged_count_begins_anew(spool, contents):
    spool.write("state", counts.FILE, contents, ALERT_MODE)
    assert counts.logins(spool) == {}
    counts.count(spool, [alert(type=RSYNC)])
    assert counts.logins(spool) == {RSYNC: {counts.LIGHT: 1}}


def test_root_takes_no_word_and_no_number_of_the_service_user_that_it_does_not_know(spool):
    forged = {
        RSYNC: {ROOT: 3, 'x"} 1\n': 4, ANOMALY: -1, counts.LIGHT: True},
        'x"} 1\n': {ROOT: 5, ANOMALY: "6"},
        INTERACTIVE: {ROOT: 1e400, ANOMALY: 1 << 40},
    }
    contents = json.dumps({"version": 1, "logins": forged, "ids": [3, "../x"]}).encode()
    spool.write("state", counts.FILE, contents, ALERT_MODE)
    assert counts.logins(spool) == {RSYNC: {ROOT: 3}, counts.OTHER: {ROOT: 5}}


def test_a_full_disk_stops_no_login(spool, monkeypatch, said):
    def fail(*_arguments, **_values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "write", fail)
    counts.count(spool, [alert()])
    assert "could not be counted" in str(said)
