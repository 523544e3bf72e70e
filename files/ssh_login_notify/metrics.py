# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics, as a file for the textfile collector of Prometheus's node_exporter.

Each self-check writes the file as root, and replaces it as a whole. The collector reads only names that end in .prom,
so it never reads an unfinished file. The file's directory must be owned by root, but the directories above it need not:
Debian gives /var/lib/prometheus to the collector's user. Names follow prometheus.io/docs/practices/naming. The text is
in the exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
"""

import os
import time

from . import build, counts, proof, suspects, trust
from .exit_codes import CRITICAL, WARNING
from .journal import trouble
from .spool import Spool, written_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

    from .channel_health import ChannelHealth
    from .health import Health

    # A sample: its labels, and its value.
    Samples = List[Tuple[Dict[str, str], Union[int, float]]]
    Queues = List[Tuple[Dict[str, str], ChannelHealth]]
    Metric = Tuple[str, str, str, Samples]

PREFIX = "ssh_login_notify_"
COUNTER, GAUGE = "counter", "gauge"
# The collector runs as a user of its own. No value is secret.
MODE = 0o644
SEVERITIES = {WARNING: "warning", CRITICAL: "critical"}


def fault(path: str) -> str:
    """Return why the file can't be written safely, and what to do about it, or "" if it can."""
    directory = os.path.dirname(path)
    try:
        os.close(trust.enter(directory))
    except (FileNotFoundError, NotADirectoryError):
        mend = f"create {directory} as root, or change ssh_login_notify_metrics_file"
        return f"the directory of the metrics is missing: {mend}"
    except OSError as error:
        mend = f"name a directory without such a link, and chown root {directory}; chmod go-w {directory}"
        return f"no metrics are written to {directory}, because {error.strerror}: {mend}"
    return ""


def write(spool: Spool, health: "Health") -> None:
    """Write the file if one is configured. For root. It never raises: a failure is logged in the system log."""
    path = health.configuration.metrics_file if health.configuration else ""
    if not path or fault(path):
        return  # the self-check reports the fault
    directory, name = os.path.split(path)
    try:
        descriptor = trust.enter(directory)
        try:
            # This path stays the same directory, even if somebody renames one above it.
            here = f"/proc/self/fd/{descriptor}"
            Spool(here).write("", name, text(spool, health).encode("utf-8"), MODE)
            _clear(here, name)
        finally:
            os.close(descriptor)
    except OSError as error:
        trouble(f"The metrics could not be written: {error}.")


def _clear(directory: str, name: str) -> None:
    """Remove unfinished files of killed writers. The self-check holds a lock, so no other process is writing one."""
    for entry in os.listdir(directory):
        if entry.startswith(f".{name}.") and entry[len(name) + 2 :].isdigit():
            os.unlink(os.path.join(directory, entry))


def text(spool: Spool, health: "Health") -> str:
    """Return the contents of the file. Raise OSError if the spool can't be read."""
    return "".join(map(_exposed, (*_of_alerts(spool, health), *_of_completeness(spool, health))))


def _of_alerts(spool: Spool, health: "Health") -> "Iterator[Metric]":
    yield "build_info", GAUGE, "The version of the notifier.", [({"version": build.name()}, 1)]
    # With this, an alerting rule can notice that the file is no longer written.
    yield "last_self_check_timestamp_seconds", GAUGE, "When the self-check last wrote this file.", [({}, time.time())]
    problems = [problem.severity for problem in health.problems]
    found: Samples = [({"severity": word}, problems.count(level)) for level, word in SEVERITIES.items()]
    yield "problems", GAUGE, "Problems of this host now, as `ssh-login-notify status` reports them.", found
    numbers = counts.logins(spool)
    # Counters begin at 0, before the first login: a counter that appeared with it would show Prometheus no increase.
    logins: Samples = [
        ({"type": login_type, "weight": weight}, numbers.get(login_type, {}).get(weight, 0))
        for login_type in counts.TYPES for weight in counts.ALL_WEIGHTS
    ]  # fmt: skip
    yield "logins_total", COUNTER, "Logins by type and heaviest weight, whether or not they had a message.", logins
    queues = _named(health)
    yield "alerts_waiting", GAUGE, "Alerts that wait to be sent.", _of_queues(queues, lambda queue: len(queue.waiting))
    yield "alerts_failed", GAUGE, "Alerts that were refused.", _of_queues(queues, lambda queue: len(queue.failed))
    dropped = _of_queues(queues, lambda queue: queue.state.dropped)
    yield "alerts_dropped_total", COUNTER, "Alerts that were dropped because of a limit or a full disk.", dropped
    oldest = _of_queues([named for named in queues if named[1].waiting], lambda queue: written_at(min(queue.waiting)))
    yield "oldest_waiting_timestamp_seconds", GAUGE, "When the oldest waiting alert was made.", oldest
    reached = [(labels, queue) for labels, queue in queues if labels and queue.state.recent]
    delivered = _of_queues(reached, lambda queue: max(sent["delivered_at"] for sent in queue.state.recent))
    yield "last_delivery_timestamp_seconds", GAUGE, "When a message was last delivered.", delivered


def _named(health: "Health") -> "Queues":
    """Return the queues with their labels: the channel's name, or none for the common queue of several channels."""
    return [({"channel": queue.name} if queue in health.channels else {}, queue) for queue in health.queues]


def _of_queues(queues: "Queues", value: "Callable[[ChannelHealth], Any]") -> "Samples":
    return [(labels, value(queue)) for labels, queue in queues]


def _of_completeness(spool: Spool, health: "Health") -> "Iterator[Metric]":
    found = proof.as_json(spool)
    if not found:
        return  # nothing has been compared yet
    times = [
        ("complete_since_timestamp_seconds", "complete_since", "Since when every login of sshd's log is known."),
        ("audit_until_timestamp_seconds", "until", "Up to when sshd's log was compared."),
    ]
    if not health.accepts("unproven_logins"):
        meaning = "Up to when sshd's log was last compared without a gap."
        times.append(("audit_proven_until_timestamp_seconds", "proven", meaning))
    for name, key, meaning in times:
        yield name, GAUGE, meaning, [({}, found[key])]
    totals = (
        ("accepted", "Logins in sshd's log."),
        ("known", "Logins in sshd's log that the notifier knows of."),
        ("missed", "Logins in sshd's log that the notifier never saw, without an explanation."),
        ("unlogged", "Logins that the notifier knows of, but sshd's log does not have."),
    )
    for key, meaning in totals:
        yield f"audit_{key}_logins_total", COUNTER, meaning, [({}, found[key])]
    doubts: Samples = [({"reason": reason}, found["doubts"].get(reason, 0)) for reason in suspects.DOUBTS]
    yield "audit_doubtful_logins_total", COUNTER, "Logins in sshd's log that are unknown for a known reason.", doubts
    gaps: Samples = [({}, len(found["gaps"]))]
    yield "audit_gaps", GAUGE, "Reasons why the last comparison with sshd's log is not a proof.", gaps


def _exposed(metric: "Metric") -> str:
    """Return a metric with its samples, or "" if it has none."""
    name, kind, meaning, samples = metric
    if not samples:
        return ""
    meaning = meaning.replace("\\", "\\\\")
    lines = [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} {kind}"]
    lines += [f"{PREFIX}{name}{_labelled(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labelled(labels: "Dict[str, str]") -> str:
    return "{{{}}}".format(",".join(_label(name, labels[name]) for name in labels)) if labels else ""


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


def _number(value: "Union[int, float]") -> str:
    """Return a value in a form that Go's ParseFloat reads. A bool from a file of the service user becomes 0 or 1."""
    return repr(value if isinstance(value, float) else int(value))
