# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""geo_database: a library and files that only root can write to are used, and their result is a hint.

These tests have a library of their own, with the interface of maxminddb. The scenario `channels` has the real one.
"""

import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import alert, configuration, needs_root
from ssh_login_notify import context, geo_database, health, lookups, trust, wording
from ssh_login_notify.geo_database import GeoDatabase

ADA = "203.0.113.50"
LIBRARY = """
import json

class Reader:
    def __init__(self, path, mode):
        assert mode == 4
        with open(path, encoding="utf-8") as file:
            self.records = json.load(file)

    def get(self, address):
        return self.records[address]

    def close(self):
        self.records = None

def open_database(path, mode):
    return Reader(path, mode)
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with the library, on which the test's own directories count as root's."""
    package = tmp_path / "site" / "maxminddb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(LIBRARY)
    monkeypatch.setattr(geo_database, "DIRECTORIES", (str(tmp_path / "none"), str(tmp_path / "site")))
    outside = set(trust.open_directories([str(tmp_path)]))
    is_open = trust._is_open
    monkeypatch.setattr(trust, "_is_open", lambda path: path not in outside and is_open(path))
    monkeypatch.delitem(sys.modules, "maxminddb", raising=False)
    yield tmp_path
    sys.modules.pop("maxminddb", None)


def database(host, name="geo.mmdb", **records):
    path = host / name
    path.write_text(json.dumps({ADA: records}))
    path.chmod(0o600)
    return str(path)


MAXMIND = {"country": {"iso_code": "DE", "names": {"en": "Germany", "ja": "ドイツ"}}}
NETWORK = {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"}


@needs_root
@pytest.mark.parametrize(
    ("record", "language", "expected"),
    [
        (MAXMIND, "en", {"country": "Germany"}),
        (MAXMIND, "ja", {"country": "ドイツ"}),
        ({"country": {"iso_code": "DE"}}, "ja", {"country": "DE"}),
        (NETWORK, "en", {"number": 64496, "owner": "Example Net"}),
        ({"country": "Germany", "asn": "AS64496", "as_name": "Example Net"}, "en",
         {"country": "Germany", "number": 64496, "owner": "Example Net"}),
        ({"city": {"names": {"en": "x"}}}, "en", None),
        ({"country": {}, "asn": "ASx"}, "en", None),
    ],
)  # fmt: skip
def test_the_forms_of_those_who_publish_databases_are_read(host, record, language, expected):
    found = GeoDatabase(database(host, **record), language)
    assert found.problems == []
    assert found.of(ADA) == expected


@needs_root
def test_several_files_complete_each_other(host):
    paths = database(host, "country", **MAXMIND) + ":" + database(host, "asn", **NETWORK)
    found = GeoDatabase(paths, "en")
    assert found.of(ADA) == {"country": "Germany", "number": 64496, "owner": "Example Net"}
    assert found.of("192.0.2.1") is None
    told = alert(context={"network": found.of(ADA)})
    assert wording.hint(told) == 'Germany, AS64496 "Example Net"'


@needs_root
def test_pythons_path_is_as_it_was(host):
    before = list(sys.path)
    GeoDatabase(database(host, **MAXMIND), "en")
    assert sys.path == before


def problem(paths):
    found = GeoDatabase(paths, "en")
    assert found.of(ADA) is None
    (sentence,) = found.problems
    return sentence


@needs_root
@pytest.mark.parametrize("what", ["", "__init__.py", "new"])
def test_a_library_that_others_can_write_to_is_not_loaded(host, what):
    package = host / "site" / "maxminddb"
    (package / "new").mkdir()
    (package / what).chmod(0o777)
    assert "or users other than root can write to it" in problem(database(host, **MAXMIND))
    assert "maxminddb" not in sys.modules


@needs_root
def test_a_library_of_another_user_is_not_loaded(host):
    os.chown(str(host / "site" / "maxminddb" / "__init__.py"), 1, -1)
    assert "the library maxminddb is missing" in problem(database(host, **MAXMIND))


@needs_root
@pytest.mark.parametrize("text", ["raise ImportError('another Python')", "1/0", "import no_such_module", "("])
def test_a_library_that_can_not_be_loaded_is_missing(host, text):
    (host / "site" / "maxminddb" / "__init__.py").write_text(text)
    assert "the library maxminddb is missing" in problem(database(host, **MAXMIND))


def test_where_there_is_no_library_it_is_missing(host, monkeypatch):
    monkeypatch.setattr(geo_database, "DIRECTORIES", ())
    assert problem("/x").endswith(
        "install the distribution's package python3-maxminddb, or remove ssh_login_notify_geo_database"
    )


@needs_root
def test_files_that_are_missing_damaged_or_anybodys_are_left_out(host):
    damaged = host / "damaged.mmdb"
    damaged.write_bytes(b"\xff")
    open_to_all = database(host, "open.mmdb", **MAXMIND)
    os.chmod(open_to_all, 0o666)
    good = database(host, **MAXMIND)
    found = GeoDatabase(":".join(["/no/such.mmdb", str(damaged), open_to_all, good]), "en")
    assert [sentence.partition(": ")[0].split(" (")[0] for sentence in found.problems] == [
        "the database /no/such.mmdb is missing",
        f"the database {damaged} can't be used",
        f"the database {open_to_all} can be written by other users than root",
    ]
    assert found.of(ADA) == {"country": "Germany"}


@needs_root
def test_status_says_what_is_missing_and_is_silent_where_nothing_is_configured(host):
    assert list(health._of_geo_database(configuration())) == list(health._of_geo_database(None)) == []
    assert "maxminddb" not in sys.modules
    (found,) = health._of_geo_database(configuration(geo_database="/no/such.mmdb"))
    assert found.severity == health.WARNING
    assert found.sentence.startswith("the database /no/such.mmdb is missing: ")
    assert list(health._of_geo_database(configuration(geo_database=database(host, **MAXMIND)))) == []


@needs_root
def test_an_alert_has_it_as_a_hint(host, spool):
    found = configuration(geo_database=database(host, **MAXMIND))
    told = lookups.Lookups(found, spool, None).add(alert())
    assert context.network(told) == ("Germany", 0, "")


RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(
        ["country", "names", "en", "iso_code", "asn", "as_name", "autonomous_system_number",
         "autonomous_system_organization"]), inner, max_size=5),
    max_leaves=10,
)  # fmt: skip


@given(RECORDS)
def test_any_record_makes_a_hint_that_can_be_shown(record):
    facts = dict(geo_database._facts(record, "en"))
    shown = wording.hint(alert(context={"network": facts}))
    assert shown.isprintable()
    assert " · " not in shown
    assert len(shown) < 2000
