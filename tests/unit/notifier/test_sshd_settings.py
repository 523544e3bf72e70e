# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd_settings: a change of sshd's settings is reported once, in words, and nothing else is."""

import json
import os

import pytest
from ssh_login_notify import ledger, sshd_settings
from ssh_login_notify.sshd_settings import FILE, MOST_TOLD, Changes

USUAL = {
    "port": "22", "permitrootlogin": "no", "passwordauthentication": "no", "ciphers": "aes128-ctr", "acceptenv": "LANG",
}  # fmt: skip


class Sshd:
    """An sshd with a given answer."""

    def __init__(self, program, answer, matched=(), options=""):
        self.program = self.executable = str(program)
        self.key = self.title = self.program + options
        self.settings = [[name, value] for name, value in answer.items()] if answer else []
        self._matched = list(matched)
        self.is_running = True

    def matched(self):
        return self._matched

    def files(self):
        return [self.executable, "/etc/ssh/sshd_config"]


@pytest.fixture
def host(spool, tmp_path):
    """A spool, and the file of an sshd."""
    os.makedirs(spool.path(ledger.DIRECTORY), exist_ok=True)
    (tmp_path / "sshd").write_text("sshd")
    return spool, tmp_path / "sshd"


@pytest.fixture
def policy(host, monkeypatch):
    """The file of a crypto policy, as RHEL has one."""
    _spool, path = host
    file = path.with_name("opensshserver.config")
    monkeypatch.setattr(sshd_settings, "POLICY", str(file))
    file.write_text("Ciphers aes128-ctr")
    return file


def told(spool, *found):
    changes = Changes(spool, list(found))
    changes.probe()
    changes.keep()
    return changes.sentences


def test_the_first_check_tells_nothing_and_neither_does_a_second_one(host):
    spool, path = host
    assert told(spool, Sshd(path, USUAL)) == []
    assert told(spool, Sshd(path, USUAL)) == []
    assert sshd_settings.files(spool) == sorted(["/etc/ssh/sshd_config", str(path)])


def test_a_change_that_is_accepted_is_not_told_and_one_more_sshd_is(host, tmp_path):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    changed = Sshd(path, dict(USUAL, permitrootlogin="yes"))
    other = tmp_path / "other-sshd"
    other.write_text("sshd")
    for found, expected in (([changed], 0), ([changed, Sshd(other, USUAL)], 1)):
        changes = Changes(spool, found, is_accepted=True)
        changes.probe()
        changes.keep()
        assert len(changes.sentences) == expected
    assert told(spool, changed, Sshd(other, USUAL)) == [], "it is known all the same"


def test_what_has_changed_is_named_once_the_important_first(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    changed = dict(USUAL, acceptenv="*", passwordauthentication="yes", permitrootlogin="yes", banner="/etc/issue")
    (sentence,) = told(spool, Sshd(path, changed))
    assert sentence == (
        "the settings of sshd have changed (PermitRootLogin no → yes, PasswordAuthentication no → yes, acceptenv LANG →"
        " *, banner not set → /etc/issue): find out who changed them"
    )
    assert told(spool, Sshd(path, changed)) == []
    (back,) = told(spool, Sshd(path, USUAL))
    assert "(PermitRootLogin yes → no, " in back


def test_a_match_block_is_compared_as_it_is_written(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    (sentence,) = told(spool, Sshd(path, USUAL, [("user eve", "passwordauthentication", "yes")]))
    assert "(PasswordAuthentication in Match user eve not set → yes)" in sentence


def test_a_variable_of_the_sessions_may_be_a_secret(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    secret = "TOKEN=not-a-real-secret"
    (sentence,) = told(spool, Sshd(path, dict(USUAL, setenv=secret), [("user eve", "setenv", secret)]))
    assert "(setenv in Match user eve (not shown), setenv (not shown))" in sentence
    assert secret not in sentence


def test_many_changes_and_long_or_hostile_values_stay_short_and_printable(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    hostile = {f"x{number}": "\x1b[31m: " + "y" * 500 for number in range(30)}
    (sentence,) = told(spool, Sshd(path, dict(USUAL, **hostile)))
    assert len(sentence) < 100 + MOST_TOLD * 100
    assert sentence.isprintable()
    assert sentence.count(": ") == 1, "the headline is what stands before the colon"
    assert f", {30 - MOST_TOLD} more)" in sentence


def test_an_upgrade_brings_other_algorithms_and_settings_and_that_is_not_told(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    path.write_text("another version")
    new = dict(USUAL, ciphers="aes256-gcm", persourcepenalties="yes")
    del new["acceptenv"]
    assert told(spool, Sshd(path, new)) == []
    path.write_text("one more version")
    (sentence,) = told(spool, Sshd(path, dict(new, permitrootlogin="yes")))
    assert "(PermitRootLogin no → yes)" in sentence, "but what counts is"


@pytest.mark.parametrize("name", ["AllowUsers", "DenyUsers", "AllowGroups", "DenyGroups"])
def test_what_looks_like_an_upgrade_does_not_hide_who_may_log_in(host, name):
    """sshd prints these only if they are set. Everybody who can change them can also touch sshd's file."""
    spool, path = host
    told(spool, Sshd(path, dict(USUAL, **{name.lower(): "eve"})))
    path.write_text("another version")
    (sentence,) = told(spool, Sshd(path, USUAL))
    assert f"({name} eve → not set)" in sentence
    path.write_text("one more version")
    (sentence,) = told(spool, Sshd(path, dict(USUAL, **{name.lower(): "mallory"})))
    assert f"({name} not set → mallory)" in sentence


def test_a_new_crypto_policy_brings_other_algorithms_and_that_is_not_told(host, policy):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    policy.write_text("Ciphers aes256-gcm@openssh.com")
    new = dict(USUAL, ciphers="aes256-gcm@openssh.com")
    assert told(spool, Sshd(path, new, options=" -oCiphers=aes256-gcm@openssh.com")) == [], "as EL 8 starts it"
    policy.write_text("Ciphers aes128-ctr,aes256-ctr")
    (sentence,) = told(spool, Sshd(path, dict(USUAL, ciphers="aes128-ctr,aes256-ctr", permitrootlogin="yes")))
    assert "aes" not in sentence, "but everything else is"


def test_a_new_policy_counts_until_sshd_is_restarted_with_it(host, policy):
    """On EL 8, the options of sshd's start contain the policy, so a self-check can run between update and restart."""
    spool, path = host
    told(spool, Sshd(path, USUAL))
    policy.write_text("Ciphers aes256-gcm@openssh.com")
    assert told(spool, Sshd(path, USUAL)) == []
    assert told(spool, Sshd(path, dict(USUAL, ciphers="aes256-gcm@openssh.com"))) == []


def test_an_upgrade_without_other_settings_hides_no_later_change(host, policy):
    """OpenSSH 7.4 prints TrustedUserCAKeys only if it is set."""
    spool, path = host
    told(spool, Sshd(path, USUAL))
    path.write_text("another version")
    assert told(spool, Sshd(path, USUAL)) == []
    (sentence,) = told(spool, Sshd(path, dict(USUAL, ciphers="3des-cbc")))
    assert "(ciphers aes128-ctr → 3des-cbc)" in sentence
    policy.write_text("Ciphers aes256-gcm@openssh.com")
    assert told(spool, Sshd(path, dict(USUAL, ciphers="3des-cbc"))) == []
    (sentence,) = told(spool, Sshd(path, dict(USUAL, ciphers="3des-cbc", trustedusercakeys="/etc/eve.pub")))
    assert "(TrustedUserCAKeys not set → /etc/eve.pub)" in sentence


@pytest.mark.parametrize("name", ["pubkeyacceptedkeytypes", "hostbasedacceptedkeytypes", "ipqos", "requiredrsasize"])
def test_an_upgrade_brings_other_defaults(host, name):
    spool, path = host
    told(spool, Sshd(path, dict(USUAL, **{name: "before"})))
    path.write_text("another version")
    assert told(spool, Sshd(path, dict(USUAL, **{name: "after"}))) == []


def test_another_word_for_the_same_value_is_no_change(host):
    """OpenSSH 10.1 prints the second word. Any other value is reported."""
    spool, path = host
    told(spool, Sshd(path, dict(USUAL, permitrootlogin="without-password")))
    assert told(spool, Sshd(path, dict(USUAL, permitrootlogin="prohibit-password"))) == []
    (sentence,) = told(spool, Sshd(path, dict(USUAL, permitrootlogin="yes")))
    assert "PermitRootLogin prohibit-password → yes" in sentence


def test_without_an_upgrade_algorithms_are_told(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    (sentence,) = told(spool, Sshd(path, dict(USUAL, ciphers="3des-cbc")))
    assert "(ciphers aes128-ctr → 3des-cbc)" in sentence


def test_an_sshd_that_does_not_answer_is_as_it_was(host):
    """Its configuration is being edited and invalid for a moment, or its package is being unpacked."""
    spool, path = host
    told(spool, Sshd(path, USUAL))
    assert told(spool, Sshd(path, None)) == []
    assert told(spool, Sshd(path, USUAL)) == []
    assert len(told(spool, Sshd(path, dict(USUAL, port="2222")))) == 1


def test_an_sshd_with_other_options_is_compared_with_the_one_that_is_gone(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    other = dict(USUAL, permitrootlogin="yes")
    (sentence,) = told(spool, Sshd(path, other, options=" -oPermitRootLogin=yes"))
    assert "(PermitRootLogin no → yes)" in sentence
    assert told(spool, Sshd(path, other, options=" -oPermitRootLogin=yes")) == []


def test_one_more_sshd_is_told_and_its_end_and_return_are_not(host):
    spool, path = host
    first, second = Sshd(path, USUAL), Sshd(path, dict(USUAL, port="2222"), options=" -p2222")
    told(spool, first)
    assert told(spool, first, second) == [
        f"a new sshd accepts logins ({path} -p2222): check who started it"
    ]
    assert told(spool, first) == []
    assert told(spool, first, second) == []


def test_where_proc_is_hidden_nothing_is_compared(host, monkeypatch):
    """In the sender's sandbox a hand-started sshd is hidden, and so are another one's options."""
    spool, path = host
    told(spool, Sshd(path, USUAL, options=" -p2222"))
    with monkeypatch.context() as blind:
        blind.setattr(sshd_settings, "FIRST_PROCESS", "/nowhere")
        assert told(spool, Sshd(path, dict(USUAL, port="23"))) == []
    assert told(spool, Sshd(path, USUAL, options=" -p2222")) == []


def test_one_that_does_not_run_is_not_compared_with_the_one_that_has_run(host):
    """While sshd restarts, the one in PATH is found, without its start options."""
    spool, path = host
    told(spool, Sshd(path, USUAL, options=" -p2222"))
    installed = Sshd(path, dict(USUAL, port="23"))
    installed.is_running = False
    assert told(spool, installed) == []
    assert told(spool, Sshd(path, USUAL, options=" -p2222")) == []


@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sshds": 3}', '{"sshds": {"x": {}}}', "[" * 100000])
def test_a_damaged_account_begins_anew(host, text):
    spool, path = host
    spool.write(ledger.DIRECTORY, FILE, text.encode(), 0o600)
    assert told(spool, Sshd(path, USUAL)) == []
    assert len(told(spool, Sshd(path, dict(USUAL, port="24")))) == 1


def test_without_room_it_is_kept_in_memory_and_told_once(host):
    spool, path = host
    told(spool, Sshd(path, USUAL))
    directory = spool.path(ledger.DIRECTORY)
    os.rename(directory, directory + ".away")
    assert told(spool, Sshd(path, USUAL)) == []  # nothing is known yet
    assert len(told(spool, Sshd(path, dict(USUAL, port="25")))) == 1
    assert told(spool, Sshd(path, dict(USUAL, port="25"))) == []
    os.rename(directory + ".away", directory)
    assert told(spool, Sshd(path, dict(USUAL, port="25"))) == []
    assert len(told(spool, Sshd(path, USUAL))) == 1
    assert json.loads(spool.read(ledger.DIRECTORY, FILE).decode())["sshds"]
