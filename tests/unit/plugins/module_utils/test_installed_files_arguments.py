# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of installed_files compute from their arguments. No file is read or written here."""

import hashlib
import json

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import _installed_files, _text_file
from ansible_collections.loginwatch.pam.plugins.module_utils._changes import InstalledFilesError

FILE = {"path": "/opt/run", "content": "#!/bin/sh\n", "secret_content": None, "owner": "root"}
SECRET = {"path": "/opt/secret", "content": None, "secret_content": "not-a-real-secret", "owner": "root"}
PACKAGE = {
    "path": "/opt/lib", "modules": {"b.py": "B", "a.py": "A"}, "src": None, "owner": "ada", "group": "staff",
    "python": "/py",
}  # fmt: skip


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_manifest_has_files_modules_and_byte_code_by_path_and_no_secret():
    byte_code = {"/opt/lib/__pycache__/a.pyc": digest("AA")}
    files = json.loads(_installed_files.manifest([FILE, SECRET], PACKAGE, byte_code))["files"]
    modules = {"/opt/lib/a.py": digest("A"), "/opt/lib/b.py": digest("B")}
    assert files == {"/opt/run": digest("#!/bin/sh\n"), **modules, **byte_code}
    assert list(files) == sorted(files)


def test_the_manifest_belongs_to_the_owner_of_the_package_or_to_root():
    with_package = _installed_files.manifest_file("/opt/manifest.json", [FILE], PACKAGE, {})
    without = _installed_files.manifest_file("/opt/manifest.json", [FILE], None, {})
    assert (with_package["owner"], with_package["group"], with_package["mode"]) == ("ada", "staff", "0644")
    assert (without["owner"], without["group"]) == ("root", "root")
    assert json.loads(without["content"])["files"] == {"/opt/run": digest("#!/bin/sh\n")}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "[", None])
def test_a_damaged_or_missing_manifest_records_nothing(tmp_path, text):
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    assert _installed_files.recorded_digests(str(path)) == {}


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"package": dict(PACKAGE, python=None), "files": []}, "package: python is missing"),
        ({"package": None, "files": [FILE, dict(FILE, content=None)]}, "content is missing for /opt/run"),
    ],
)
def test_an_installation_needs_contents_and_an_interpreter(params, reason):
    with pytest.raises(InstalledFilesError, match=reason):
        _installed_files.check_arguments(params)


def test_an_empty_text_is_a_content():
    _installed_files.check_arguments({"package": PACKAGE, "files": [dict(FILE, content=""), SECRET]})


def test_the_reported_arguments_have_no_contents():
    params = {"files": [FILE, SECRET], "package": PACKAGE, "state": "present"}
    shown = _installed_files.without_contents(params)
    assert shown["files"] == [{"path": "/opt/run", "owner": "root"}, {"path": "/opt/secret", "owner": "root"}]
    assert shown["package"]["modules"] == ["a.py", "b.py"]
    assert shown["state"] == "present"
    assert _installed_files.without_contents({"files": [], "package": None})["package"] is None


def test_output_is_quoted_in_one_line_and_not_at_length():
    assert _text_file.first_words(" a\n\tb \n") == "a b"
    assert len(_text_file.first_words("x" * 10_000)) == 500
