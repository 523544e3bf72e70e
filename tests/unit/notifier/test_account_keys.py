# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""account_keys: the keys that open an account are those that each sshd's settings allow, and omissions are reported."""

import os
import pwd
import stat

import pytest
from ssh_login_notify import account_keys, authorized_keys
from ssh_login_notify.account_keys import comment_of, examine
from test_authorized_keys import KEY, line, plain

RSA = line(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xc0" * 128)
FINGERPRINT = authorized_keys.parse(KEY).fingerprint


class Sshd:
    """An sshd whose settings are `settings`, a text or a function of the connection."""

    def __init__(self, settings, matches=(), title="sshd on port 22", version=(10, 0)):
        self.settings = settings
        self.matches = [["match", match] for match in matches]
        self.title = title
        self.version = lambda: version
        self.asked = []

    def answer(self, connection):
        self.asked.append(connection)
        return self.settings if isinstance(self.settings, str) else self.settings(connection)

    def lines(self, of_match=True):
        return [*self.matches, ["authorizedkeysfile", "of/match"]] if of_match else [["authorizedkeysfile", "of/file"]]


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Accounts with home directories, and sshds: host(sshd, ...) examines them."""
    accounts = {}

    class Host:
        users = None

        def account(self, name, program="/bin/sh"):
            home = tmp_path / name
            home.mkdir()
            accounts[name] = pwd.struct_passwd((name, "x", os.getuid(), os.getgid(), "", str(home), program))
            return home

        def write(self, name, *lines):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\n".join(lines) + b"\n")
            return str(path)

        def __call__(self, *sshds):
            monkeypatch.setattr(account_keys.sshds, "found", lambda: list(sshds))
            return examine(self.users)

    monkeypatch.setattr(account_keys.pwd, "getpwall", lambda: list(accounts.values()))
    monkeypatch.setattr(account_keys.pwd, "getpwnam", lambda name: accounts[name])
    host = Host()
    host.account("ada")
    return host


USUAL = "authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\n"


def opened(found):
    """Return which key opens which account: the account, the file in its home, and the line."""
    keys = [key for key in found["authorized_keys"] if not key["refused"]]
    return {(key["user"], os.path.basename(key["file"]), key["line"]) for key in keys}


def refused(found):
    (row,) = found["authorized_keys"]
    assert row["sshds"] == ([] if row["refused"] else found["sshds"])
    return row["refused"]


def test_a_key_is_listed_with_all_that_is_known_of_it(host, tmp_path):
    path = host.write("ada/.ssh/authorized_keys", b"# of ada", b'command="a b",no-pty ' + KEY + b" ada@laptop")
    found = host(Sshd(USUAL))
    assert found["authorized_keys"] == [
        {
            "user": "ada", "uid": os.getuid(), "file": path, "line": 2, "kind": "key", "type": "ED25519", "bits": 256,
            "fingerprint": FINGERPRINT, "comment": "ada@laptop", "principals": [], "refused": "",
            "options": [{"name": "command", "value": "a b"}, {"name": "no-pty", "value": None}],
            "sshds": ["sshd on port 22"],
        }
    ]  # fmt: skip
    assert found["files"] == [{"user": "ada", "path": path, "problem": "", "unsafe": ""}]
    assert (found["accounts"], found["sshds"], found["notes"]) == (1, ["sshd on port 22"], [])
    assert (found["malformed"], found["principals"], found["commands"]) == ([], [], [])


def test_every_file_of_every_account_counts_and_none_is_none(host):
    host.account("grace")
    host.write("ada/.ssh/authorized_keys", plain(1))
    host.write("ada/.ssh/authorized_keys2", plain(2), plain(3))
    host.write("keys/grace", plain(4))
    usual = Sshd(USUAL)
    assert opened(host(usual)) == {
        ("ada", "authorized_keys", 1),
        ("ada", "authorized_keys2", 1),
        ("ada", "authorized_keys2", 2),
    }
    assert len(usual.asked) == 1, "without Match blocks, the settings are those of all"
    assert opened(host(Sshd("authorizedkeysfile %h/../keys/%u\nstrictmodes no\n"))) == {("grace", "grace", 1)}
    assert opened(host(Sshd("authorizedkeysfile none\n"))) == set()


def test_a_match_block_is_asked_for_each_account_and_for_each_connection(host):
    host.account("grace")
    for name in ("one", "two", "three"):
        host.write("ada/" + name, KEY)
        host.write("grace/" + name, KEY)

    def settings(connection):
        word = "two" if "user=grace" in connection else "three" if "addr=10.1.1.1," in connection else "one"
        return f"authorizedkeysfile {word}\n"

    found = host(Sshd(settings, ["User grace", "Address 10.*,!10.2.0.1", "user ada localport 2222"]))
    assert opened(found) == {("ada", "one", 1), ("ada", "three", 1), ("grace", "two", 1)}
    by = {(key["user"], os.path.basename(key["file"])): key["sshds"] for key in found["authorized_keys"]}
    assert by[("ada", "three")] == ["sshd on port 22, for a connection with addr 10.1.1.1"]
    assert by[("ada", "one")] == ["sshd on port 22", "sshd on port 22, for a connection with lport 2222"]


def test_too_many_kinds_of_connections_are_said(host, monkeypatch):
    monkeypatch.setattr(account_keys, "MOST_CONNECTIONS", 2)
    sshd = Sshd(USUAL, [f"LocalPort {port}" for port in range(5)])
    assert "more than 2 Match blocks" in host(sshd)["notes"][0]
    assert len(sshd.asked) == 2


def test_a_key_that_one_sshd_refuses_and_another_takes_is_open(host):
    host.write("ada/.ssh/authorized_keys", KEY)
    closed, also = Sshd(USUAL + "pubkeyauthentication no\n"), Sshd(USUAL, title="sshd on port 2222")
    (key,) = host(closed, also)["authorized_keys"]
    assert (key["refused"], key["sshds"]) == ("", ["sshd on port 2222"])
    (key,) = host(also, closed)["authorized_keys"]
    assert (key["refused"], key["sshds"]) == ("", ["sshd on port 2222"])


def test_an_sshd_that_does_not_answer_is_read_outside_of_its_match_blocks_and_that_is_said(host):
    host.write("ada/of/file", KEY)
    found = host(Sshd(""))
    assert opened(found) == {("ada", "file", 1)}
    assert "does not print its settings" in found["notes"][0]


def test_without_an_sshd_nothing_is_open_and_that_is_said(host):
    host.write("ada/.ssh/authorized_keys", KEY)
    found = host()
    assert (found["authorized_keys"], found["notes"]) == ([], ["sshd was not found, so no key opens an account here."])


@pytest.mark.parametrize(
    ("settings", "text", "why"),
    [
        ("pubkeyauthentication no", KEY, "PubkeyAuthentication no"),
        ("authenticationmethods password keyboard-interactive:pam", KEY, "AuthenticationMethods"),
        ("authenticationmethods publickey,password", KEY, ""),
        ("authenticationmethods any", KEY, ""),
        ("permitrootlogin no", KEY, "PermitRootLogin no"),
        ("permitrootlogin prohibit-password", KEY, ""),
        ("permitrootlogin forced-commands-only", KEY, "PermitRootLogin forced-commands-only"),
        ("permitrootlogin forced-commands-only", b'command="x" ' + KEY, ""),
        ("denyusers a*", KEY, "DenyUsers"),
        ("denyusers ada@192.0.2.1", KEY, ""),
        ("allowusers grace\nallowusers bob", KEY, "AllowUsers"),
        ("allowusers grace\nallowusers a?a@192.0.2.*", KEY, ""),
        ("allowgroups nogroup-at-all", KEY, "AllowGroups"),
        ("denygroups *", KEY, "DenyGroups"),
        ("requiredrsasize 2048", RSA, "RequiredRSASize"),
        ("requiredrsasize 2048", KEY, ""),
        ("pubkeyacceptedalgorithms ssh-ed25519,rsa-sha2-512", RSA, ""),
        ("pubkeyacceptedalgorithms ecdsa-*,rsa-*", KEY, "does not accept keys of this type"),
        ("pubkeyacceptedkeytypes ssh-rsa", KEY, "does not accept keys of this type"),
        ("casignaturealgorithms ssh-rsa", b"cert-authority " + KEY, "does not accept keys of this type"),
        ("casignaturealgorithms ssh-rsa", KEY, ""),
        ("", b'expiry-time="20200101" ' + KEY, "expired"),
        ("", b"unheard-of " + KEY, "unknown option"),
    ],
)  # fmt: skip
def test_what_sshd_refuses_is_listed_with_the_reason(host, monkeypatch, settings, text, why):
    monkeypatch.setattr(account_keys, "_groups", lambda account: ["ada"])
    host.users = ["ada"]
    host.write("ada/.ssh/authorized_keys", text)
    said = refused(host(Sshd(USUAL + settings + "\n")))
    assert why in said
    assert bool(why) == bool(said)


def test_an_account_whose_shell_is_missing_is_closed(host):
    host.account("grace", program="/nonexistent/shell")
    host.write("grace/.ssh/authorized_keys", KEY)
    assert refused(host(Sshd(USUAL))) == "its shell /nonexistent/shell does not exist or is not executable"


def test_strict_modes_count_where_they_are_on(host, tmp_path):
    host.write("ada/.ssh/authorized_keys", KEY)
    (tmp_path / "ada" / ".ssh").chmod(0o777)
    assert refused(host(Sshd(USUAL + "strictmodes yes\n"))).startswith(
        "sshd refuses the file: bad ownership or modes for"
    )
    assert refused(host(Sshd(USUAL + "strictmodes no\n"))) == ""


def test_malformed_lines_stop_nothing_and_are_listed(host):
    host.write("ada/.ssh/authorized_keys", b"ssh-ed25519 AAAA!", b"\xff\x00\x1b[2J", KEY, b"-----BEGIN")
    found = host(Sshd(USUAL))
    assert opened(found) == {("ada", "authorized_keys", 3)}
    assert [(row["line"], row["user"]) for row in found["malformed"]] == [(1, "ada"), (2, "ada"), (4, "ada")]
    assert found["malformed"][0]["reason"] == "its key is not complete Base64"


def test_more_lines_than_can_be_listed_are_said(host, monkeypatch):
    monkeypatch.setattr(account_keys, "MOST_ROWS", 2)
    host.write("ada/.ssh/authorized_keys", plain(1), plain(2), plain(3))
    found = host(Sshd(USUAL))
    assert len(found["authorized_keys"]) == 2
    assert found["notes"] == ["There are more than 2 lines, and the others are not listed. Name some users."]


def test_authorities_open_accounts_by_their_principals(host):
    authorities = host.write("ca.pub", KEY + b" the authority", b"cert-authority " + plain(9))
    host.account("grace")
    host.write(
        "principals/ada", b"# of ada", b'from="192.0.2.1" ada@example.org', b'expiry-time="20200101" old', b"two words"
    )
    host.write(
        "grace/.ssh/authorized_keys", b'cert-authority,principals="x,y" ' + plain(2), b"cert-authority " + plain(3)
    )
    trusting = USUAL + f"trustedusercakeys {authorities}\n"
    found = host(Sshd(trusting))
    keys = found["authorized_keys"]
    rows = {(key["user"], key["comment"] or key["line"]): (key["kind"], key["principals"]) for key in keys}
    assert rows == {
        ("ada", "the authority"): ("authority", ["ada"]), ("grace", "the authority"): ("authority", ["grace"]),
        ("grace", 1): ("authority", ["x", "y"]), ("grace", 2): ("authority", ["grace"]),
    }  # fmt: skip
    assert {row["reason"] for row in found["malformed"]} == {"options are not allowed for a trusted authority"}
    found = host(Sshd(trusting + "authorizedprincipalsfile %h/../principals/%u\nstrictmodes no\n"))
    (key,) = [key for key in found["authorized_keys"] if key["comment"] == "the authority"]
    assert (key["user"], key["principals"]) == ("ada", ["ada@example.org"])
    assert [(row["principal"], bool(row["refused"])) for row in found["principals"]] == [
        ("ada@example.org", False),
        ("old", True),
    ]
    assert found["principals"][0]["options"] == [{"name": "from", "value": "192.0.2.1"}]


def test_commands_are_named_and_not_run(host, tmp_path):
    mark = tmp_path / "mark"
    command = host.write("command", b"#!/bin/sh", b"touch " + str(mark).encode())
    os.chmod(command, stat.S_IRWXU)
    settings = f"authorizedkeyscommand {command} --user=%u\nauthorizedkeyscommanduser nobody\n"
    found = host(Sshd(USUAL + settings + "authorizedprincipalscommand none\n"))
    assert found["commands"] == [
        {
            "setting": "AuthorizedKeysCommand",
            "command": f"{command} --user=%u",
            "user": "nobody",
            "sshd": "sshd on port 22",
        }
    ]
    assert found["notes"] == [f"The keys that AuthorizedKeysCommand {command} --user=%u prints are not listed."]
    assert not mark.exists()


def test_revoked_keys_are_refused_and_a_krl_is_said(host):
    host.write("ada/.ssh/authorized_keys", KEY)
    revoked = host.write("revoked", b"# lost", KEY)
    assert refused(host(Sshd(USUAL + f"revokedkeys {revoked}\n"))) == "it is revoked (RevokedKeys)"
    host.write("revoked", b"SSHKRL\n\0rest")
    found = host(Sshd(USUAL + f"revokedkeys {revoked}\n"))
    assert refused(found) == ""
    assert "are a KRL, which is not compared" in found["notes"][0]


@pytest.mark.parametrize(
    ("version", "files"), [((10, 0), {"a.pub", "b.pub"}), ((9, 2), set()), (None, {"a.pub", "b.pub"})]
)
def test_patterns_of_files_count_where_sshd_knows_them(host, version, files):
    for name in ("a.pub", "b.pub", "c"):
        host.write("ada/.ssh/" + name, KEY)
    found = host(Sshd("authorizedkeysfile .ssh/*.pub\n", version=version))
    assert {name for _user, name, _line in opened(found)} == files


def test_named_accounts_alone_are_examined_and_an_unknown_one_is_said(host):
    host.account("grace")
    for name in ("ada", "grace"):
        host.write(name + "/.ssh/authorized_keys", KEY)
    host.users = ["grace", "nobody\x1b"]
    found = host(Sshd(USUAL))
    assert opened(found) == {("grace", "authorized_keys", 1)}
    assert found["notes"] == ["There is no account nobody\\x1b."]


def test_a_pipe_in_place_of_a_file_is_listed_with_its_problem(host, tmp_path):
    (tmp_path / "ada" / ".ssh").mkdir()
    os.mkfifo(str(tmp_path / "ada" / ".ssh" / "authorized_keys"))
    found = host(Sshd(USUAL))
    assert found["files"][0]["problem"] == "it is not a regular file"
    assert found["authorized_keys"] == []


# -- the hint ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def usual(monkeypatch):
    """The sshd that is queried for a hint."""
    sshd = Sshd("authorizedkeysfile .ssh/authorized_keys elsewhere\n")
    monkeypatch.setattr(account_keys.sshds, "usual", lambda: [sshd])
    return sshd


def test_the_comment_of_a_key_is_found(host, usual):
    host.write("ada/.ssh/authorized_keys", b"broken", plain(7) + b" another", b"no-pty " + KEY + b" ada@laptop\x1b[2J")
    assert comment_of(FINGERPRINT, "ada") == "ada@laptop\\x1b[2J"
    assert usual.asked == [], "sshd need not be asked"
    assert comment_of("SHA256:none", "ada") is None
    assert comment_of(FINGERPRINT, "nobody at all") is None


def test_the_comment_is_also_found_where_sshd_looks_besides(host, usual):
    host.write("ada/elsewhere", KEY + b" in another file")
    assert comment_of(FINGERPRINT, "ada") == "in another file"
    assert len(usual.asked) == 1


def test_a_line_without_a_comment_and_a_file_that_is_too_large_give_none(host, usual, monkeypatch):
    host.write("ada/.ssh/authorized_keys", KEY)
    assert comment_of(FINGERPRINT, "ada") is None
    host.write("ada/.ssh/authorized_keys", b"#" * 100, KEY + b" far behind")
    monkeypatch.setattr(account_keys, "LARGEST_HINT_BYTES", 100)
    assert comment_of(FINGERPRINT, "ada") is None


def test_a_pipe_gives_no_hint_and_does_not_wait(host, usual, tmp_path):
    (tmp_path / "ada" / ".ssh").mkdir()
    os.mkfifo(str(tmp_path / "ada" / ".ssh" / "authorized_keys"))
    assert comment_of(FINGERPRINT, "ada") is None
