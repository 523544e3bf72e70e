# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and labels, with stand-ins for the tools. The scenario selinux runs the real ones."""

import re

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils._file_contexts import (
    FileContextError,
    FileContexts,
    equivalences,
    local_rules,
    name_in_policy,
    type_of,
)

RUN_IS_VAR_RUN = "# aliases\n/run /var/run\n/run/lock /var/lock\n/var/run/lock /var/lock\n/usr/local/lib /usr/lib\n"
VAR_RUN_IS_RUN = "/var/run /run\n/run/lock /var/lock\n"


class Host:
    """A host with a policy that accepts rules, and a directory that accepts labels."""

    def __init__(self, path, subs=VAR_RUN_IS_RUN):
        self.policies = path / "selinux"
        files = self.policies / "targeted" / "contexts" / "files"
        files.mkdir(parents=True)
        (self.policies / "config").write_text("# SELINUXTYPE= says which\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
        (files / "file_contexts.subs_dist").write_text(subs)
        self.spool = path / "spool"
        self.spool.mkdir()
        self.rules = {}
        self.stands_against = ""
        self.label = "var_spool_t"
        self.commands = []

    def run(self, command):
        self.commands.append(command)
        return getattr(self, command[0])(command[1:])

    def semanage(self, arguments):
        assert arguments[0] == "fcontext"
        how, pattern = arguments[1], arguments[-1]
        if how == "--extract":
            lines = ["fcontext -a -e /srv/a /srv/b", "fcontext -a -f d -t etc_t -r 's0' '/x(/.*)?'"]
            lines += [f"fcontext -a -f a -t {kind} -r 's0' '{pattern}'" for pattern, kind in self.rules.items()]
            return 0, "\n".join(lines) + "\n", "a complaint of no weight\n"
        if (how == "--add") == (pattern in self.rules):
            return 1, "", "ValueError: it is there already, or it is not\n"
        if how == "--delete":
            del self.rules[pattern]
        else:
            self.rules[pattern] = arguments[arguments.index("--type") + 1]
        return 0, "", ""

    def matchpathcon(self, arguments):
        return 0, f"system_u:object_r:{self.stands_against or self.by_rule(arguments[-1])}:s0\n", ""

    def by_rule(self, path):
        return next((kind for pattern, kind in self.rules.items() if re.fullmatch(pattern, path)), "var_spool_t")

    def restorecon(self, arguments):
        assert arguments[:2] == ["-R", "-v"]
        wanted, told = self.by_rule(str(self.spool)), ""
        if wanted != self.label:
            told = f"Relabeled {self.spool}\n"
            if "-n" not in arguments:
                self.label = wanted
        return 0, told, ""

    def bring(self, state="present", check=False, directories=None):
        contexts = FileContexts(self.run, check, str(self.policies))
        directories = directories or [str(self.spool)]
        if state == "present":
            contexts.present(directories, "var_auth_t")
        else:
            contexts.absent(directories)
        return contexts.changes


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_rule_is_made_and_the_label_set_and_a_second_run_changes_nothing(host):
    pattern = f"{host.spool}(/.*)?"
    assert host.bring() == [f"add {pattern} var_auth_t", f"Relabeled {host.spool}"]
    assert (host.rules, host.label) == ({pattern: "var_auth_t"}, "var_auth_t")
    assert host.bring() == []


def test_a_rule_with_another_type_is_changed(host):
    host.rules[f"{host.spool}(/.*)?"] = "etc_t"
    assert host.bring()[0].startswith("modify ")
    assert host.label == "var_auth_t"


def test_a_label_alone_that_is_wrong_is_mended(host):
    host.bring()
    host.label = "tmp_t"
    assert host.bring() == [f"Relabeled {host.spool}"]
    assert host.label == "var_auth_t"


def test_removed_means_no_rule_and_the_policys_own_label(host):
    host.bring()
    assert host.bring("absent") == [f"delete {host.spool}(/.*)?", f"Relabeled {host.spool}"]
    assert (host.rules, host.label) == ({}, "var_spool_t")
    host.commands.clear()
    assert host.bring("absent") == []
    assert [command[0] for command in host.commands] == ["semanage"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_tells_and_changes_nothing(host, state):
    if state == "absent":
        host.bring()
    before = dict(host.rules), host.label
    assert host.bring(state, check=True) != []
    assert (host.rules, host.label) == before


def test_check_mode_tells_of_a_label_alone_and_leaves_it(host):
    host.bring()
    host.label = "tmp_t"
    assert host.bring(check=True) == [f"Relabeled {host.spool}"]
    assert host.label == "tmp_t"


def test_check_mode_is_silent_where_all_is_right(host):
    host.bring()
    assert host.bring(check=True) == []


def test_a_directory_that_is_not_there_yet_gets_its_rule(host):
    host.spool.rmdir()
    assert host.bring() == [f"add {host.spool}(/.*)? var_auth_t"]
    assert "restorecon" not in [command[0] for command in host.commands]


def test_a_rule_of_somebody_elses_that_stands_against_it_is_named(host):
    host.stands_against = "etc_t"
    with pytest.raises(FileContextError, match=r"etc_t.*semanage fcontext --list"):
        host.bring()


def test_what_a_tool_says_when_it_fails_is_told(host):
    host.semanage = lambda _: (1, "", "Traceback\nValueError: SELinux policy is not managed\n")
    with pytest.raises(FileContextError, match=r"`semanage fcontext --extract` failed: .*is not managed"):
        host.bring()


def test_a_host_whose_configuration_names_no_policy_is_refused(host):
    (host.policies / "config").unlink()
    with pytest.raises(FileContextError, match="SELINUXTYPE"):
        host.bring()


@pytest.mark.parametrize(
    ("subs", "name"),
    [(RUN_IS_VAR_RUN, "/var/run/example"), (VAR_RUN_IS_RUN, "/run/example"), ("", "/run/example")],
)
def test_a_rule_below_run_has_the_name_that_the_policy_uses(tmp_path, subs, name):
    host = Host(tmp_path, subs)
    host.matchpathcon = lambda arguments: (0, "system_u:object_r:var_auth_t:s0\n", "")
    assert host.bring(directories=["/run/example"]) == [f"add {name}(/.*)? var_auth_t"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("/run/lock/x", "/var/lock/x"), ("/run", "/var/run"), ("/running", "/running"), ("/usr/local/lib", "/usr/lib")],
)
def test_equivalences_hold_for_whole_names_and_one_after_the_other(path, name):
    assert name_in_policy(path, equivalences(RUN_IS_VAR_RUN)) == name


def test_equivalences_that_go_round_in_a_ring_end():
    assert name_in_policy("/a/x", [("/a", "/b"), ("/b", "/a")]) in ("/a/x", "/b/x")


def test_only_rules_for_files_of_every_kind_are_ours_to_compare():
    text = "boolean -m -1 x\nfcontext -a -f f -t etc_t -r 's0' '/y'\n"
    text += "fcontext -a -f a -t var_auth_t -r 's0' '/z(/.*)?'\n"
    assert local_rules(text) == {"/z(/.*)?": "var_auth_t"}


@pytest.mark.parametrize(
    ("context", "kind"),
    [("system_u:object_r:var_auth_t:s0:c1\n", "var_auth_t"), ("a:b:c", "c"), ("<<none>>", ""), ("", "")],
)
def test_the_type_is_the_third_part_of_a_context(context, kind):
    assert type_of(context) == kind
