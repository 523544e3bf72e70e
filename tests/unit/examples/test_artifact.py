# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The built collection is complete: its pages link to nothing that it lacks, and no run writes into it."""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent
REPOSITORY = yaml.safe_load((PROJECT / "galaxy.yml").read_text())["repository"]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
# Directories of the repository that galaxy.yml excludes, and ./dev.
MENTION = re.compile(r"(?<![\w/.-])(?:\./dev\b|(?:\.ci|\.github|bench|fuzz|molecule|tests|tools)/[\w./-]*)")


def run(*words, cwd, collections="/nonexistent"):
    """Run one of Ansible's programs, with no other collections. Return its exit code and output."""
    # Ansible also searches Python's path for collections, and the tests have the checkout there.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program, *arguments = map(str, words)
    done = subprocess.run(  # noqa: S603
        [PROGRAMS / program, *arguments], cwd=cwd, env={**inherited, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """The path of the built collection."""
    directory = tmp_path_factory.mktemp("artifact")
    code, output = run("ansible-galaxy", "collection", "build", "--output-path", directory, cwd=PROJECT)
    assert code == 0, output
    (path,) = directory.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def contents(artifact):
    """The texts in it by name; None for a directory."""
    with tarfile.open(artifact) as archive:
        return {
            member.name: archive.extractfile(member).read().decode("utf-8", "replace") if member.isfile() else None
            for member in archive.getmembers()
        }


def pages(contents):
    return {name: text for name, text in contents.items() if name.endswith(".md")}


def lost_links(contents):
    """Return the links of all pages that lead to a missing file."""
    return [
        (name, target)
        for name, text in pages(contents).items()
        for _words, target in LINK.findall(text)
        if not re.match("[a-z]+:|#", target)
        and posixpath.normpath(posixpath.join(posixpath.dirname(name), target.partition("#")[0])) not in contents
    ]


def unexplained(text):
    """Return the repository's own paths that a page names before it has a link to the repository."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    told = next((link.start() for link in LINK.finditer(text) if link[2].startswith(REPOSITORY)), len(text))
    return [mention[0] for mention in MENTION.finditer(text) if mention.start() < told]


def test_every_link_of_a_page_leads_to_a_file_that_is_there(contents):
    assert lost_links(contents) == []


def test_every_page_says_where_that_is_which_the_collection_lacks(contents):
    found = {name: unexplained(text) for name, text in pages(contents).items()}
    assert {name: mentions for name, mentions in found.items() if mentions} == {}


def test_what_pages_name_of_the_repository_exists_there(contents):
    links = [target for text in pages(contents).values() for _words, target in LINK.findall(text)]
    inside = [re.fullmatch(REPOSITORY + r"/(?:blob|tree)/main/([^#]+)(?:#.*)?", link) for link in links]
    named = {match[1] for match in inside if match}
    named |= {found for text in pages(contents).values() for found in MENTION.findall(text)}
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


def test_a_lost_link_and_an_unexplained_name_are_found():
    contents = {"a.md": "[b](docs/b.md) [c](bench/c.py#x) [d](#d)", "docs/b.md": "[a](../a.md)", "docs": None}
    assert lost_links(contents) == [("a.md", "bench/c.py#x")]
    assert unexplained(f"`./dev test`, see [the repository]({REPOSITORY}) and tests/lab") == ["./dev"]
    assert unexplained("<!-- ./dev docs --> the tests of bench.md, docs/tests/x") == []


def test_a_run_writes_its_report_into_the_working_directory_and_nothing_into_the_collection(artifact, tmp_path):
    collections, working = tmp_path / "collections", tmp_path / "working"
    working.mkdir()
    install = ("ansible-galaxy", "collection", "install", "--offline", "-p", collections, artifact)
    code, output = run(*install, cwd=working)
    assert code == 0, output
    # Nobody listens there, so all hosts are unreachable, and the report says so.
    nobody = ("-e", "ansible_host=127.0.0.1", "-e", "ansible_port=1")
    verify = ("ansible-playbook", "loginwatch.pam.verify", "-i", "web-3,", *nobody, "-e", "verify_report=report")
    code, output = run(*verify, cwd=working, collections=collections)
    assert code != 0, output
    assert {path.name for path in working.glob("report/*")} == {"report.html", "report.json"}, output
    (host,) = json.loads((working / "report" / "report.json").read_text())["hosts"]
    assert (host["host"], host["state"]) == ("web-3", "unreachable")
    assert f"The report is in {working}/report: " in output
    code, output = run(
        "ansible-galaxy", "collection", "verify", "--offline", "loginwatch.pam", cwd=working, collections=collections
    )
    assert code == 0, output
    assert "Successfully verified" in output
