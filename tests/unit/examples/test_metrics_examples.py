# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus's own client parses the metrics, and the rules and the dashboard use only metrics in docs/metrics.md.

The dashboard is compared with the schema from which Grafana generates its SDK, for Grafana 10.1. Anything that the
schema does not know gets lost in the SDK's classes.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import exposition
import parts
import promql_parser as promql
import pytest
import yaml
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from parts import alert
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from ssh_login_notify import channel_health, counts, metrics, proof
from ssh_login_notify.config import Configuration
from ssh_login_notify.health import Health
from ssh_login_notify.state import State

DOCS = Path(__file__).resolve().parents[3] / "docs"
RULES = yaml.safe_load((DOCS / "examples" / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DOCS / "examples" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
# Each row of the table: the name, the type, the labels.
TABLE = re.findall(r"^\| `(ssh_login_notify_\w+)` \| (counter|gauge) \|([^|]*)\|", PAGE, re.M)
KINDS = {name: kind for name, kind, _labels in TABLE}
LABELS = {name: set(re.findall(r"`(\w+)`", labels)) for name, _kind, labels in TABLE}
# Prometheus adds these labels to every series, and has this metric for every target.
ADDED = {"instance", "job"}
LABELS["up"] = set()
# What Grafana inserts into an expression.
VARIABLES = {"$instance": ".*", "$__rate_interval": "5m", "$__range": "1h"}
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [entry["expr"] for entry in (*RULES, *TARGETS)]


# -- the text ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path):
    """The metrics of a host with two channels, on which every counted event has happened."""
    spool = parts.make_spool(tmp_path)
    names = ("ops", "pager")
    for directory in [f"channels/{name}/{part}" for name in names for part in ("outgoing", "failed", "state")]:
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "channels" / "ops" / "outgoing" / alert()["id"]).write_text("{}")
    counts.count(spool, [alert(number, weights=[weight]) for number, weight in enumerate(counts.ALL_WEIGHTS)])
    kept = proof.Proof(spool)
    kept.kept.update(accepted=412, known=411, missed=1)
    kept.keep()
    State(parts.Spool(str(tmp_path / "channels" / "ops"))).delivered([
        dict.fromkeys(("user", "from", "address", "key", "type"), "")
        | {"id": alert(3)["id"], "login_time": 1, "delivered_at": 1763884862.5, "status": 200}
    ])  # fmt: skip
    entries = [{"name": name, "kind": "ntfy", "url": "https://ntfy.example/a"} for name in names]
    health = Health(Configuration({"channels": entries}), State(spool))
    own, health.channels = channel_health.of_host(health.configuration, spool, [])
    health.queues = [own, *health.channels]
    return metrics.text(spool, health)


def samples(families):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families for sample in family.samples
    }  # fmt: skip


def test_the_parsers_of_prometheus_read_the_text_and_so_does_that_of_the_other_tests(text):
    families = list(parser.text_string_to_metric_families(text))
    found = samples(families)
    ours = {
        (name, tuple(sorted(labels))): value
        for name, (_kind, values) in exposition.parse(text).items() for labels, value in values.items()
    }  # fmt: skip
    assert found == ours
    assert found["ssh_login_notify_audit_missed_logins_total", ()] == 1
    assert found["ssh_login_notify_last_delivery_timestamp_seconds", (("channel", "ops"),)] == 1763884862.5
    assert found["ssh_login_notify_alerts_waiting", (("channel", "ops"),)] == 1
    # OpenMetrics names a counter without its suffix, and is stricter: no duplicates, nothing interleaved.
    strict = re.sub(r"^(# (?:HELP|TYPE) \S+)_total ", r"\1 ", text, flags=re.M) + "# EOF\n"
    assert samples(openmetrics.text_string_to_metric_families(strict)) == found


def test_the_parsers_of_prometheus_read_a_hostile_label():
    hostile = 'a"b\\c\nd{}=,# TYPE x counter\\n'
    text = metrics._exposed(("x", metrics.GAUGE, "A \\ help.", [({"channel": hostile, "b": ""}, 1)]))
    found = {("ssh_login_notify_x", (("b", ""), ("channel", hostile))): 1}
    assert samples(parser.text_string_to_metric_families(text)) == found
    assert samples(openmetrics.text_string_to_metric_families(text + "# EOF\n")) == found


def test_the_names_kinds_and_labels_are_those_of_the_page(text):
    families = exposition.parse(text)
    assert {name: kind for name, (kind, _values) in families.items()} == KINDS
    for name, (_kind, values) in families.items():
        assert {label for labels in values for label, _value in labels} == LABELS[name], name


def test_the_number_of_series_is_bounded_and_that_of_the_page(text):
    pairs = len(counts.TYPES) * len(counts.ALL_WEIGHTS)
    assert text.count("ssh_login_notify_logins_total{") == pairs
    assert f"All {pairs} pairs exist from the start" in PAGE


# -- the expressions --------------------------------------------------------------------------------------------------


def parsed(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return promql.parse(expression)


def parts_of(tree):
    """Return each part of an expression with the parts around it, the outermost first."""
    found, around = [], []

    def enter(part):
        found.append((part, tuple(around)))
        around.append(part)

    promql.walk(tree, pre_visit=enter, post_visit=lambda _part: around.pop() and None)
    return found


def selected(tree):
    """Return (a selector, the names of the functions around it)."""
    found = []
    for part, around in parts_of(tree):
        functions = [each.func.name for each in around if isinstance(each, promql.Call)]
        if isinstance(part, promql.MatrixSelector):
            found.append((part.vector_selector, functions))
        elif isinstance(part, promql.VectorSelector):
            found.append((part, functions))
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_there_is(expression):
    tree = parsed(expression)
    selectors = [selector for selector, _functions in selected(tree)]
    assert selectors
    for selector in selectors:
        assert {matcher.name for matcher in selector.matchers.matchers} <= LABELS[selector.name] | ADDED
    known = ADDED.union(*(LABELS[selector.name] for selector in selectors))
    for part, _around in parts_of(tree):
        if isinstance(part, promql.AggregateExpr) and part.modifier:
            assert set(part.modifier.labels) <= known


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_counter_is_asked_for_its_increase_and_a_gauge_never(expression):
    for selector, functions in selected(parsed(expression)):
        assert ("increase" in functions) == (KINDS.get(selector.name) == "counter"), selector.name


def test_the_checks_of_an_expression_can_fail():
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        parsed("sum(increase(ssh_login_notify_logins_total[5m])")
    name = "ssh_login_notify_problems"
    for expression in ("ssh_login_notify_x", name + '{x="1"}', f"sum by (x) ({name})"):
        with pytest.raises((AssertionError, KeyError)):
            test_an_expression_asks_for_what_there_is(expression)
    for expression in ("ssh_login_notify_logins_total", "increase(ssh_login_notify_problems[5m])"):
        with pytest.raises(AssertionError):
            test_a_counter_is_asked_for_its_increase_and_a_gauge_never(expression)


# -- the rules --------------------------------------------------------------------------------------------------------


def test_a_rule_says_what_happened_and_what_to_do():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity"}
        assert "$labels.instance" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_the_page_names_each_rule_with_its_severity():
    rows = re.findall(r"^\| `(Ssh\w+)` \| (warning|critical) \|", PAGE, re.M)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


# -- the dashboard ----------------------------------------------------------------------------------------------------


def lost(before, after, path=""):
    """Return what a round trip through the SDK has lost or changed. The SDK adds defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        missing = object()
        pairs = [(f"{path}/{key}", before[key], after.get(key, missing)) for key in before]
        return [each for name, one, other in pairs for each in lost(one, other, name)]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [each for number, pair in enumerate(zip(before, after)) for each in lost(*pair, f"{path}/{number}")]
    return [] if before == after else [path]


def through_the_sdk(dashboard):
    plugins.register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(dashboard)), cls=encoder.JSONEncoder))


def test_the_dashboard_is_of_grafanas_schema():
    assert lost(DASHBOARD, through_the_sdk(DASHBOARD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", 0, "options", "graphMod"), "none"), (("panels", 4, "fieldConfig", "defaults", "custom", "x"), 1),
        (("panels", 0, "targets", 0, "expression"), "x"), (("templating", "list", 1, "defintion"), "x"), (("x",), 1),
    ],
)  # fmt: skip
def test_what_grafana_does_not_know_is_noticed(path, value):
    wrong = copy.deepcopy(DASHBOARD)
    place = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert lost(wrong, through_the_sdk(wrong)) == ["/" + "/".join(map(str, path))]


def test_the_panels_have_their_own_places_and_the_chosen_data_source():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _y in cells) == 23
    sources = [thing["datasource"] for panel in panels for thing in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
