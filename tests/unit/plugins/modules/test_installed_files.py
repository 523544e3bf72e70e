# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with real arguments in its own process, with a small program in its own directory."""

import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ME = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
MODULES = {
    "__init__.py": "",
    "greeting.py": "from .formal.words import TEXT\n",
    "formal/__init__.py": "",
    "formal/words.py": 'TEXT = "hello"\n',
}


class Program:
    """A directory, a package and a file that uses it, as arguments and as paths."""

    def __init__(self, path, run_module):
        self.library = path / "lib"
        self.package = self.library / "example"
        self.file = path / "bin" / "example"
        self._run_module = run_module

    def arguments(self, modules=None, content="#!/bin/sh\n", mode="0755"):
        return {
            "directories": [dict(ME, path=str(self.library))],
            "package": dict(ME, path=str(self.package), python=sys.executable, modules=modules or MODULES),
            "files": [dict(ME, path=str(self.file), content=content, mode=mode)],
        }

    def run(self, check=False, arguments=None, **more):
        return self._run_module("installed_files", check=check, **dict(arguments or self.arguments(), **more))

    def remove(self, **more):
        return self.run(state="absent", **more)


@pytest.fixture
def program(tmp_path, run_module):
    (tmp_path / "home").mkdir()
    return Program(tmp_path / "home", run_module)


def everything(path):
    """Return the mode and content of everything below a directory, by path."""
    found = {}
    for item in sorted(path.rglob("*")):
        status = item.lstat()
        found[str(item)] = (stat.S_IMODE(status.st_mode), item.read_bytes() if stat.S_ISREG(status.st_mode) else None)
    return found


def modules_of(program):
    """Return the paths of the installed modules within the package."""
    return sorted(str(path.relative_to(program.package)) for path in program.package.rglob("*.py"))


def test_missing_arguments_are_named(program, tmp_path):
    for option, item in (("files", {"content": ""}), ("directories", {"mode": "0755"}), ("account", {"comment": "x"})):
        value = item if option == "account" else [item]
        missing = "name" if option == "account" else "path"
        message = program.run(**{option: value})["msg"]
        assert f"missing required arguments: {missing} found in {option}" in message
    assert everything(tmp_path / "home") == {}


def test_check_mode_tells_all_and_changes_nothing(program, tmp_path):
    result = program.run(check=True)
    assert result["changed"]
    modules = [program.package / name for name in sorted(MODULES)]
    paths = [program.library, program.package, program.package / "formal", *modules, program.file]
    assert result["changed_paths"] == [str(path) for path in paths]
    assert everything(tmp_path / "home") == {}


def test_check_mode_does_without_a_group_that_another_task_would_make(program):
    arguments = program.arguments()
    arguments["directories"][0]["group"] = "no-such-group"
    assert program.run(check=True, arguments=arguments)["changed"]
    assert "no-such-group" in program.run(arguments=arguments)["msg"]


def test_it_installs_a_program_that_runs_and_a_second_run_changes_nothing(program):
    lines = [f"#!{sys.executable}", "import sys", f"sys.path.insert(0, {str(program.library)!r})"]
    lines += ["from example import greeting", "print(greeting.TEXT)", ""]
    arguments = program.arguments(content="\n".join(lines))
    assert program.run(arguments=arguments)["changed"]
    assert subprocess.check_output([str(program.file)]) == b"hello\n"  # noqa: S603
    second = program.run(arguments=arguments)
    assert not second["changed"]
    assert second["changed_paths"] == []
    assert second["diff"] == []


def test_modes_are_those_asked_for_whatever_the_umask(program):
    before = os.umask(0o077)
    try:
        program.run()
    finally:
        os.umask(before)
    modes = {path: f"{mode:o}" for path, (mode, _) in everything(program.library.parent).items()}
    assert modes.pop(str(program.file)) == "755"
    directories = [path for path in modes if not path.endswith((".py", ".pyc"))]
    assert {modes.pop(path) for path in directories} == {"755"}
    assert set(modes.values()) == {"644"}


def test_the_byte_code_is_what_an_import_takes(program):
    program.run()
    script = f"import sys; sys.path.insert(0, {str(program.library)!r}); import example.greeting"
    done = subprocess.run([sys.executable, "-v", "-Bc", script], stderr=subprocess.PIPE, check=True)  # noqa: S603
    for source in (program.package / "greeting.py", program.package / "formal" / "words.py"):
        cached = next((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))
        assert f"{cached} matches {source}" in done.stderr.decode()


@pytest.mark.parametrize("module", ["greeting.py", "formal/words.py"])
def test_the_byte_code_is_renewed_with_its_module_even_when_size_and_time_are_the_same(program, tmp_path, module):
    python = tmp_path / "python"
    # As if both versions had been written within the same second.
    touch = f"touch -d @1000000000 {program.package}/*.py {program.package}/*/*.py"
    script = f'#!/bin/sh\n{touch}\nexec {sys.executable} "$@"\n'
    python.write_text(script, encoding="utf-8")
    python.chmod(0o755)
    for word in ("hello", "HELLO"):
        arguments = program.arguments(dict(MODULES, **{module: f'TEXT = "{word}"\n'}))
        arguments["package"]["python"] = str(python)
        program.run(arguments=arguments)
        source = program.package / module
        cached = next((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))
        assert word.encode() in cached.read_bytes()


@pytest.mark.parametrize("module", ["greeting.py", "formal/words.py"])
def test_lost_stale_or_foreign_byte_code_is_put_right(program, module):
    program.run()
    source = program.package / module
    cache = source.parent / "__pycache__"
    cached = next(cache.glob(f"{source.stem}.*.pyc"))
    cached.unlink()
    assert program.run()["changed_paths"] == [str(cache)]
    os.utime(str(source), (1, 1))
    assert program.run(check=True)["changed_paths"] == [str(cache)]
    assert program.run()["changed_paths"] == [str(cache)]
    foreign = cache / "greeting.cpython-27.pyc"
    foreign.write_bytes(b"old")
    assert program.run()["changed_paths"] == [str(foreign)]
    assert not program.run()["changed"]


def test_modules_of_an_earlier_version_go(program):
    earlier = ["earlier.py", "words.py", "formal/earlier.py", "gone/__init__.py", "gone/words.py"]
    program.run(arguments=program.arguments(dict(MODULES, **dict.fromkeys(earlier, ""))))
    result = program.run()
    gone = ["earlier.py", "words.py", "formal/earlier.py", "gone"]
    assert {str(program.package / name) for name in gone} <= set(result["changed_paths"])
    assert modules_of(program) == sorted(MODULES)
    assert not [path for path in program.package.rglob("*.pyc") if path.name.startswith(("earlier", "gone"))]


@pytest.mark.parametrize("flat_first", [True, False])
def test_a_package_may_become_one_with_sub_packages_and_one_without_them(program, flat_first):
    versions = [{"__init__.py": "", "formal.py": ""}, MODULES]
    for modules in versions if flat_first else reversed(versions):
        program.run(arguments=program.arguments(modules))
        assert modules_of(program) == sorted(modules)
        assert not program.run(arguments=program.arguments(modules))["changed"]
        assert (program.package / "formal").exists() == (modules is MODULES)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_anything_else_in_place_of_a_sub_package_is_refused(program, tmp_path, kind):
    program.package.mkdir(parents=True)
    if kind == "file":
        (program.package / "formal").write_text("")
    else:
        (program.package / "formal").symlink_to(tmp_path)
    assert f"{program.package / 'formal'} must be a directory but is a" in program.run()["msg"]


def test_a_module_that_does_not_compile_is_told(program):
    result = program.run(arguments=program.arguments({"__init__.py": "def broken(:\n"}))
    assert result["failed"]
    assert "byte-compile" in result["msg"]


@pytest.mark.parametrize(
    "name", ["../evil.py", "sub/../evil.py", "/evil.py", "__pycache__/module.py", "data.txt", "sub/", "sub.d/x.py"]
)
def test_only_module_files_are_taken_for_modules(program, name):
    result = program.run(arguments=program.arguments({name: ""}))
    assert name + " cannot be the name of a module" in result["msg"]


def test_the_difference_of_check_mode_is_that_of_the_change_and_a_second_run_has_none(program):
    foretold = program.run(check=True, diff=True)["diff"]
    done = program.run(diff=True)["diff"]
    assert done == foretold
    shown = {item["after_header"]: (item["before"], item["after"]) for item in done}
    assert shown[str(program.library)] == ("absent\n", "directory 0755\n")
    assert shown[str(program.package / "greeting.py")] == ("absent\n", "file of 1 lines\n")
    assert shown[str(program.file)] == ("", "#!/bin/sh\n")
    assert program.run(diff=True)["diff"] == []


def test_changed_content_and_mode_are_put_back(program):
    program.run()
    program.file.write_text("#!/bin/false\n", encoding="utf-8")
    result = program.run()
    assert result["changed_paths"] == [str(program.file)]
    difference = result["diff"][0]
    assert (difference["before"], difference["after"]) == ("#!/bin/false\n", "#!/bin/sh\n")
    program.file.chmod(0o700)
    assert program.run(check=True)["changed_paths"] == [str(program.file)]
    assert program.run()["changed_paths"] == [str(program.file)]
    assert stat.S_IMODE(program.file.stat().st_mode) == 0o755


def test_a_link_in_place_of_a_file_is_replaced_and_its_target_left(program, tmp_path):
    target = tmp_path / "target"
    target.write_text("theirs", encoding="utf-8")
    program.file.parent.mkdir()
    program.file.symlink_to(target)
    program.run()
    assert not program.file.is_symlink()
    assert target.read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_anything_else_in_place_of_a_directory_is_refused(program, tmp_path, kind):
    if kind == "link":
        program.library.symlink_to(tmp_path)
    else:
        program.library.write_text("", encoding="utf-8")
    result = program.run()
    assert result["failed"]
    assert f"{program.library} must be a directory but is a" in result["msg"]


def test_a_directory_in_place_of_a_file_is_refused(program):
    program.file.mkdir(parents=True)
    assert "must be a file but is a directory. Remove it" in program.run()["msg"]


def test_absent_undoes_present(program, tmp_path):
    program.file.parent.mkdir()
    before = everything(tmp_path / "home")
    program.run()
    present = everything(tmp_path / "home")
    assert program.remove(check=True)["changed"]
    assert everything(tmp_path / "home") == present
    assert program.remove()["changed"]
    assert everything(tmp_path / "home") == before
    assert not program.remove()["changed"]


def test_what_is_removed_is_not_shown(program):
    program.run(arguments=program.arguments(content="not-a-real-secret"))
    result = program.remove()
    assert str(program.file) in result["changed_paths"]
    assert "not-a-real-secret" not in str(result["diff"])


@pytest.mark.parametrize("where", ["outgoing", "channels/ops/outgoing"])
def test_a_directory_in_which_something_waits_is_kept(program, where):
    spool = program.library.parent / "spool"
    directory = dict(ME, path=str(spool), keep_while_filled=["outgoing", "channels/*/outgoing"])
    (spool / "channels" / "chat" / "outgoing").mkdir(parents=True)
    for name in (where, "state", "channels/ops/state"):
        (spool / name).mkdir(parents=True)
        (spool / name / "file").write_text("", encoding="utf-8")
    result = program.remove(directories=[directory])
    assert result["kept"] == [str(spool)]
    assert (spool / "state" / "file").exists()
    (spool / where / "file").unlink()
    assert program.remove(directories=[directory])["kept"] == []
    assert not spool.exists()


def test_obsolete_files_go_in_either_state(program):
    old = program.library.parent / "old"
    for run in (program.run, program.remove):
        old.write_text("", encoding="utf-8")
        assert str(old) in run(obsolete=[str(old)])["changed_paths"]
        assert not old.exists()


def test_a_file_that_is_wanted_is_not_obsolete(program):
    program.run()
    assert not program.run(obsolete=[str(program.file)])["changed"]
    assert program.file.exists()


def test_the_manifest_has_the_digest_of_each_file_and_module_and_its_byte_code(program, tmp_path):
    path = tmp_path / "manifest.json"
    assert str(path) in program.run(manifest=str(path))["changed_paths"]
    files = json.loads(path.read_text())["files"]
    byte_code = [str(file) for file in program.package.rglob("*.pyc")]
    assert len(byte_code) == len(MODULES)
    assert set(files) == {str(program.file), *(str(program.package / name) for name in MODULES), *byte_code}
    assert all(hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest for name, digest in files.items())
    assert not program.run(manifest=str(path))["changed"]
    path.write_text("{}\n")
    # Nothing says any more that the byte code is right.
    caches = [str(program.package / "__pycache__"), str(program.package / "formal" / "__pycache__")]
    assert program.run(manifest=str(path))["changed_paths"] == [*caches, str(path)]
    assert json.loads(path.read_text())["files"] == files


@pytest.mark.parametrize("module", ["greeting.py", "formal/words.py"])
def test_planted_byte_code_is_compiled_anew_though_time_and_size_are_those_of_its_module(program, tmp_path, module):
    manifest = str(tmp_path / "manifest.json")
    program.run(manifest=manifest)
    source = program.package / module
    cached = next((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))
    good = cached.read_bytes()
    cached.write_bytes(good + b"planted")
    assert not program.run()["changed"], "nothing is recorded without a manifest"
    assert program.run(check=True, manifest=manifest)["changed_paths"] == [str(cached.parent), manifest]
    assert cached.read_bytes() != good
    assert program.run(manifest=manifest)["changed_paths"] == [str(cached.parent)]
    assert cached.read_bytes() == good
    assert not program.run(manifest=manifest)["changed"]


def test_a_manifest_of_an_earlier_version_gets_the_byte_code(program, tmp_path):
    path = tmp_path / "manifest.json"
    program.run(manifest=str(path))
    complete = json.loads(path.read_text())
    files = {name: digest for name, digest in complete["files"].items() if not name.endswith(".pyc")}
    path.write_text(json.dumps({"files": files}))
    assert str(path) in program.run(manifest=str(path))["changed_paths"]
    assert set(json.loads(path.read_text())["files"]) == set(complete["files"])
    assert not program.run(manifest=str(path))["changed"]


def test_contents_are_shown_in_the_difference_alone(program):
    result = program.run(arguments=program.arguments(content="#!/bin/sh\n# a marked line\n"))
    assert "a marked line" in str(result.pop("diff"))
    assert "a marked line" not in str(result)


def secret(program, text, mode="0600"):
    return dict(ME, path=str(program.file), secret_content=text, mode=mode)


@pytest.mark.parametrize("before", [None, "not-a-real-secret, the old one"])
def test_a_secret_is_written_and_shown_nowhere(program, tmp_path, before):
    if before:
        program.run(files=[secret(program, before)])
    files = [secret(program, "not-a-real-secret\n")]
    path = tmp_path / "manifest.json"
    for check in (True, False):
        result = program.run(check=check, files=files, manifest=str(path), diff=True)
        assert str(program.file) in result["changed_paths"]
        assert "not-a-real-secret" not in str(result)
        shown = next(item for item in result["diff"] if item["after_header"] == str(program.file))
        assert shown["before"] != shown["after"]
    assert program.file.read_text() == "not-a-real-secret\n"
    assert stat.S_IMODE(program.file.stat().st_mode) == 0o600
    assert str(program.file) not in json.loads(path.read_text())["files"]
    assert not program.run(files=files, manifest=str(path))["changed"]


LOOK = """
import os, sys
def look(event, arguments):
    if event in ("os.chmod", "os.chown", "os.rename", "os.remove", "subprocess.Popen"):
        try:
            mode = os.stat({path!r}).st_mode & 0o777
        except OSError:
            return
        handle = os.open({path!r}, os.O_RDONLY)
        text = os.read(handle, 100).decode()
        os.close(handle)
        print("%o %s" % (mode, text), file=sys.stderr)
sys.addaudithook(look)
"""


@pytest.mark.skipif(not hasattr(sys, "addaudithook"), reason="Python has no audit hooks before 3.8")
@pytest.mark.parametrize("there", [False, True])
def test_a_secret_is_never_readable_by_others(program, run_module, tmp_path, monkeypatch, there):
    """Python's audit hook checks the file whenever the module is about to change something in the file system."""
    if there:
        program.run(files=[secret(program, "the old one", mode="0644")])
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(LOOK.format(path=str(program.file)))
    monkeypatch.syspath_prepend(str(tmp_path / "hook"))
    arguments = program.arguments()
    trial = {"argv": ["/bin/echo", "well"], "expected": "well"}
    program.run(arguments=dict(arguments, files=[secret(program, "not-a-real-secret")], trial=trial))
    seen = re.findall(r"^([0-7]+) (.*)$", run_module.output.decode(), re.M)
    assert ("600", "not-a-real-secret") in seen, "the trial came after it was written"
    assert ("644", "the old one") in seen or not there
    assert {mode for mode, text in seen if text == "not-a-real-secret"} == {"600"}


def test_what_was_installed_is_tried(program, tmp_path):
    def trial(**more):
        return dict({"argv": [str(program.file)], "expected": "it works"}, **more)

    well = program.arguments(content=f"#!/bin/sh\necho it works >> {tmp_path}/log\necho it works\nexit 2\n")
    log = tmp_path / "log"
    assert program.run(arguments=well, trial=trial(), check=True)["changed"]
    assert program.run(arguments=well, trial=trial())["changed"]
    assert log.read_text() == "it works\n", "once, and not in check mode"
    program.run(arguments=well, trial=trial())
    assert log.read_text() == "it works\n", "nothing was changed"
    assert not program.run(arguments=well, trial=trial(always=True))["changed"]
    assert log.read_text() == "it works\n" * 2
    program.remove(arguments=well, trial=trial(always=True))
    assert log.read_text() == "it works\n" * 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("#!/bin/sh\necho it fails >&2\nexit 3\n", "does not work. It exited with 3 and printed: it fails"),
        ("#!/bin/sh\n", "does not work. It exited with 0 and printed: nothing"),
        ("#!/no/such/interpreter\n", "cannot be run: No such file or directory"),
    ],
)
def test_a_trial_that_fails_is_told_and_leaves_what_was_installed(program, content, reason):
    result = program.run(
        arguments=program.arguments(content=content), trial={"argv": [str(program.file)], "expected": "it works"}
    )
    assert f"'{program.file}' {reason}" in result["msg"]
    assert program.file.read_text() == content


class Accounts:
    """A stand-in for useradd(8) that only records its arguments."""

    def __init__(self, path, monkeypatch):
        self.calls = path / "calls"
        self.useradd = path / "sbin" / "useradd"
        self.useradd.parent.mkdir()
        self.works()
        monkeypatch.setenv("PATH", str(self.useradd.parent))

    def works(self, ending="exit 0"):
        self.useradd.write_text(f"#!/bin/sh\nprintf '<%s>' \"$@\" >> {self.calls}\n{ending}\n", encoding="utf-8")
        self.useradd.chmod(0o755)


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    return Accounts(tmp_path, monkeypatch)


ACCOUNT = {"name": "loginwatch-no-one", "comment": "Some service", "shell": "/bin/false"}


def test_an_account_is_made_first_and_told_in_check_mode(program, accounts, tmp_path):
    result = program.run(account=ACCOUNT, check=True)
    assert result["diff"][0]["after_header"] == "account loginwatch-no-one"
    assert not accounts.calls.exists()
    accounts.works(f"test ! -e {program.library}")
    result = program.run(account=ACCOUNT)
    assert result["changed"]
    assert not [path for path in result["changed_paths"] if "no-one" in path]
    assert accounts.calls.read_text() == (
        "<--system><--user-group><--home-dir></nonexistent><--no-create-home>"
        "<--shell></bin/false><--comment><Some service><loginwatch-no-one>"
    )


def test_only_an_account_that_is_made_counts_as_a_change(program, accounts):
    program.run()
    assert program.run(account=ACCOUNT)["changed"]
    accounts.calls.unlink()
    assert not program.run(account=dict(ACCOUNT, name=ME["owner"]))["changed"]
    assert not accounts.calls.exists()


def test_a_group_that_is_there_becomes_the_accounts(program, accounts):
    groups = {entry.gr_name for entry in grp.getgrall()} - {entry.pw_name for entry in pwd.getpwall()}
    name = sorted(groups)[0]
    program.run(account=dict(ACCOUNT, name=name))
    assert accounts.calls.read_text().startswith(f"<--system><--gid><{name}>")


def test_an_account_that_can_not_be_made_is_told_and_nothing_is_installed(program, accounts):
    accounts.works("echo no more numbers >&2; exit 4")
    assert "loginwatch-no-one could not be created: no more numbers" in program.run(account=ACCOUNT)["msg"]
    assert not program.library.exists()


def test_a_file_has_one_text(program):
    result = program.run(files=[dict(secret(program, "not-a-real-secret"), content="")])
    assert "mutually exclusive" in result["msg"]
    assert "not-a-real-secret" not in str(result)


@pytest.mark.parametrize("lacking", ["python", "content"])
def test_what_is_needed_is_asked_for(program, lacking):
    arguments = program.arguments()
    del (arguments["package"] if lacking == "python" else arguments["files"][0])[lacking]
    result = program.run(arguments=arguments)
    assert lacking + " is missing" in result["msg"]


@pytest.mark.parametrize("wrong", [{"modules": {}}, {"src": "example"}, {"modules": {}, "exclude": ["a.py"]}])
def test_a_package_has_its_modules_from_one_place(program, wrong):
    """Without a source, the whole installed package would be removed."""
    program.run()
    arguments = program.arguments()
    arguments["package"].update(wrong)
    assert program.run(arguments=arguments)["msg"] == "package: give either src or modules."
    assert modules_of(program) == sorted(MODULES)


def validated(program, text, *command, kind="content"):
    return dict(ME, path=str(program.file), mode="0600", validate=list(command), **{kind: text})


@pytest.mark.parametrize("kind", ["content", "secret_content"])
@pytest.mark.parametrize("there", [True, False])
def test_what_is_refused_takes_nothings_place(program, tmp_path, kind, there):
    refuses = ["/bin/sh", "-c", '! grep -n bad "$1"', "sh", "%s"]
    if there:
        program.run(files=[validated(program, "good", *refuses, kind=kind)])
    before = everything(tmp_path / "home")
    result = program.run(files=[validated(program, "a bad one", *refuses, kind=kind)])
    assert result["failed"]
    expected = f"{program.file} " + ("was left unchanged" if there else "was not created")
    said = "1:a bad one" if kind == "content" else "1:********"
    assert result["msg"] == f"{expected} because its new text is not valid: {said}"
    after = everything(tmp_path / "home")
    assert {path: after[path] for path in before} == before
    assert program.file.exists() == there
    assert program.run(files=[validated(program, "another good", *refuses, kind=kind)])["changed"]
    assert program.file.read_text() == "another good"


def test_what_is_validated_is_seen_by_nobody_else_and_not_in_check_mode(program, tmp_path):
    log = tmp_path / "log"
    asks = ["/bin/sh", "-c", f'stat -c %a "$1" >> {log}', "sh", "%s"]
    program.run(files=[validated(program, "x", *asks)], check=True)
    assert not log.exists()
    program.run(files=[validated(program, "x", *asks)])
    program.run(files=[validated(program, "x", *asks)])
    assert log.read_text() == "600\n", "once: the second time nothing was new"


def test_a_command_that_can_not_be_run_accepts_nothing(program):
    result = program.run(files=[validated(program, "x", "/no/such/command", "%s")])
    assert "the validation command /no/such/command cannot be run: No such file or directory" in result["msg"]
    assert not program.file.exists()


def test_a_link_stays_one_when_what_would_take_its_place_is_refused(program, tmp_path):
    program.file.parent.mkdir(parents=True)
    program.file.symlink_to(tmp_path / "elsewhere")
    program.run(files=[validated(program, "x", "/bin/false", "%s")])
    assert program.file.is_symlink()
