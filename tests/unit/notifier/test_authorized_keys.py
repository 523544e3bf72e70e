# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authorized_keys: each line is shown as ssh-keygen prints it, and accepted or rejected as by sshd."""

import base64
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify import authorized_keys
from ssh_login_notify.authorized_keys import MalformedError, parse, parse_authority, parse_options, parse_principal
from ssh_login_notify.text import LONGEST

takes_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="takes ssh-keygen")
RECORDED = sorted((Path(__file__).resolve().parent / "keys").glob("*.pub"))
# All types that ssh-keygen generates without a device. An RSA key of 4096 bits takes seconds.
MADE = [("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", "")]
NOW = 1764000000.0
ED25519 = b"ssh-ed25519"


def string(data):
    return struct.pack(">I", len(data)) + data


def line(name, *fields, word=None):
    """Return a line with a key of this type and these fields."""
    return (word or name) + b" " + base64.b64encode(b"".join(map(string, (name, *fields))))


def plain(number):
    """Return a unique key."""
    return line(ED25519, bytes([number]) * 32)


KEY = plain(1)
# Keys of devices, by their form (PROTOCOL.u2f).
OF_DEVICES = [
    line(b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:"),
    line(b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\x04" + bytes.fromhex(
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"), b"ssh:"),
]  # fmt: skip


def keygen(*arguments):
    done = subprocess.run(["ssh-keygen", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout.decode()


def listed(path):
    """Return the output of `ssh-keygen -lf`: bits, fingerprint and type of each line."""
    found = re.findall(r"^(\d+) (SHA256:\S+) .*\((\S+)\)$", keygen("-l", "-f", path), re.MULTILINE)
    return [(int(bits), fingerprint, kind) for bits, fingerprint, kind in found]


def said(key):
    return key.bits, key.fingerprint, key.key_type


@takes_ssh_keygen
@pytest.mark.parametrize(("kind", "bits"), MADE)
def test_every_type_has_the_fingerprint_and_the_bits_that_ssh_keygen_prints(tmp_path, kind, bits):
    path = tmp_path / "key"
    keygen("-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-C", "ada@laptop, Büro", "-f", path)
    keygen("-q", "-s", path, "-I", "ada", "-n", "deploy", path)
    key = parse(path.with_suffix(".pub").read_bytes())
    assert [said(key)] == listed(path.with_suffix(".pub"))
    assert (key.comment, key.options, key.refusal(NOW)) == ("ada@laptop, Büro", [], "")
    certificate = parse((tmp_path / "key-cert.pub").read_bytes())
    assert [said(certificate)] == listed(tmp_path / "key-cert.pub")
    assert certificate.refusal(NOW).startswith("it is a certificate")


@takes_ssh_keygen
@pytest.mark.parametrize("text", [*OF_DEVICES, *(path.read_bytes() for path in RECORDED)])
def test_keys_of_devices_and_recorded_ones_too(tmp_path, text):
    path = tmp_path / "key.pub"
    path.write_bytes(text + b"\n")
    found = listed(path)
    assert found == [said(parse(text))]


# Each with a unique key. ssh-keygen and sshd find the same in them, because both use sshkey_read.
NASTY = [
    b"%s comment", b"  \t%s", b"%s\r", b"#%s", b"  # %s", b'command="a b" %s', b'command="a \\" b",no-pty %s',

    b'command="a %s', b'command="a\\" %s', b'"%s', b"no pty %s", b"ssh-ed25519 %s", b'a" b"c %s', b"\\%s", b'\\" %s',
    b"x%s", b"%sx", b"%s=", b"\x0b%s", b"nonsense %s", b"ecdsa-sha2-nistp256 %s", b"ssh-ed25519",
    b"",
]  # fmt: skip


@takes_ssh_keygen
def test_a_key_is_found_where_ssh_keygen_finds_one(tmp_path):
    lines = [form.replace(b"%s", plain(number)) for number, form in enumerate(NASTY)]
    path = tmp_path / "keys"
    path.write_bytes(b"\n".join(lines) + b"\n")
    found = []
    for text in lines:
        try:
            key = parse(text)
        except MalformedError:
            continue
        found += [said(key)] if key else []
    assert found == listed(path)
    assert 5 < len(found) < 15


def test_any_number_of_blanks_stands_before_and_behind_options():
    """ssh-keygen accepts only one after them, but sshd calls skip_space."""
    key = parse(b" \tno-pty\t " + KEY.replace(b" ", b"\t \t") + b"  ada ")
    assert (key.options, key.comment) == ([("no-pty", None)], "ada")


def test_what_is_behind_a_nul_is_nothing_as_for_sshd():
    assert parse(KEY + b" comment\0and more").comment == "comment"
    with pytest.raises(MalformedError):
        parse(b"ssh-ed25519\0 " + KEY)
    assert parse(b"\0" + KEY) is None


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (b"restrict,pty", [("restrict", None), ("pty", None)]),
        (b"NO-PTY", [("no-pty", None)]),
        (b"pty,", [("pty", None)]),
        (b'command="a \\"b\\" c",from="192.0.2.*"', [("command", 'a "b" c'), ("from", "192.0.2.*")]),
        (b'command="a\\\\b"', [("command", "a\\\\b")]),
        (b'environment="A=b",environment="C=d"', [("environment", "A=b"), ("environment", "C=d")]),
        (b'permitopen="[2001:db8::1]:80",tunnel="0"', [("permitopen", "[2001:db8::1]:80"), ("tunnel", "0")]),
        (b'permitlisten="8080"', [("permitlisten", "8080")]),
        (b'cert-authority,principals="ada,grace"', [("cert-authority", None), ("principals", "ada,grace")]),
        (b"verify-required,no-touch-required", [("verify-required", None), ("no-touch-required", None)]),
        (b'command="\x1b[2J\xff"', [("command", "\\x1b[2J\\xff")]),
    ],
)  # fmt: skip
def test_options_have_their_values_as_sshd_dequotes_them(text, options):
    assert parse_options(text) == options
    key = parse(text + b" " + KEY + b" c")
    assert (key.options, key.fault, key.comment) == (options, "", "c")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"no-restrict", "an unknown option"),
        (b"command=x", "the value of command is not in quotes"),
        (b'command="a",command="b"', "the option command is given twice"),
        (b'from="a",principals="b",from="c"', "the option from is given twice"),
        (b"pty;no-pty", "an unknown option"),
        (b'environment="A-B=c"', "the value of environment is not valid"),
        (b'expiry-time="tomorrow"', "the value of expiry-time is not valid"),
        (b"pty,,no-pty", "an unknown option"),
    ],
)
def test_a_key_with_options_that_sshd_refuses_is_named_all_the_same(text, why):
    key = parse(text + b" " + KEY + b" ada")
    assert why in key.refusal(NOW)
    assert (key.options, key.fingerprint, key.comment) == ([], parse(KEY).fingerprint, "ada")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"nonsense", "no key of a known type"),
        (b"ssh-ed25519", "no key of a known type"),
        (b"ssh-foo AAAA", "no key of a known type"),
        (b"ssh-ed25519 AAAA!", "not complete Base64"),
        (KEY[:-3], "not complete Base64"),
        (b"ssh-rsa " + KEY.split()[1], "damaged, or of another type"),
        (line(ED25519, b"k" * 31), "damaged, or of another type"),
        (line(b"ecdsa-sha2-nistp256", b"nistp384", b"\x04" + b"k" * 64), "damaged, or of another type"),
        (b'command="x\\\\" ' + KEY, "a quote in its options is not closed"),
        (b'command="x ' + KEY, "a quote in its options is not closed"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", "no key of a known type"),
        (b"root:$6$salt$hash:20000:0:99999:7:::", "no key of a known type"),
    ],
)
def test_a_malformed_line_has_its_reason_and_shows_nothing_of_itself(text, why):
    with pytest.raises(MalformedError, match=why) as error:
        parse(text)
    assert not any(word in str(error.value) for word in ("nonsense", "AAAA", "foo", "PRIVATE", "salt"))


@pytest.mark.parametrize("text", [b"", b"\n", b" \t\r\n", b"# " + KEY, b"\t#"])
def test_an_empty_line_and_a_comment_are_nothing(text):
    assert parse(text) is None


def test_a_signature_s_name_stands_for_its_key_as_in_sshd():
    rsa = (b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xc0" * 256)
    assert said(parse(line(*rsa, word=b"rsa-sha2-512"))) == said(parse(line(*rsa)))
    assert parse(line(*rsa)).bits == 2048
    short = parse(line(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xc0" * 96))
    assert (short.bits, short.refusal(NOW)) == (768, "RSA keys with fewer than 1024 bits are refused")


def test_a_line_ends_at_its_time_and_principals_need_an_authority():
    assert parse(b'expiry-time="20250101Z" ' + KEY).refusal(NOW) == "it has expired at 2025-01-01 00:00:00 UTC"
    assert parse(b'expiry-time="203001010830z" ' + KEY).refusal(NOW) == ""
    assert parse(b'principals="ada" ' + KEY).refusal(NOW) == "the option principals needs cert-authority"
    assert parse(b'cert-authority,principals="ada" ' + KEY).refusal(NOW) == ""


def test_what_a_user_writes_is_printable_and_cut():
    comment = parse(KEY + b" \x1b]0;evil\x07\xe2\x80\xae\xff" + b"x" * 5000).comment
    assert comment.startswith("\\x1b]0;evil\\x07\\u202e\\xff")
    assert len(comment) == LONGEST
    assert comment.isprintable()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"ada\n", ("ada", [])),
        (b"  ada # who\n", ("ada", [])),
        (b'from="192.0.2.1",no-pty ada@example.org ', ("ada@example.org", [("from", "192.0.2.1"), ("no-pty", None)])),
        (b"no-pty\tada", ("ada", [("no-pty", None)])),
        (b'command="x # y" ada', ('command="x', [])),
        (b"# ada", None),
        (b" ", None),
    ],
)
def test_a_principal_and_its_options(text, found):
    assert parse_principal(text) == found


@pytest.mark.parametrize("text", [b"two words", b"cert-authority ada"])
def test_a_line_of_principals_that_sshd_refuses(text):
    with pytest.raises(MalformedError):
        parse_principal(text)


def test_an_authority_has_no_options():
    assert parse_authority(KEY + b" the authority").comment == "the authority"
    assert parse_authority(b"# none") is None
    with pytest.raises(MalformedError, match="not allowed for a trusted authority"):
        parse_authority(b"cert-authority " + KEY)


# Pieces of lines, in any order.
PIECES = [
    KEY, ED25519, KEY.split()[1], b'"', b"\\", b'\\"', b",", b" ", b"\t", b"#", b"\0", b"\r", b"=", b"command=",
    b"from=", b'expiry-time="', b"99999999", b"20250101", b"00000000", b"Z", b"cert-authority", b"no-", b"pty", b"\xff",
    b"\x1b[2J",
]  # fmt: skip


def texts_of(read, text):
    """Return everything that is shown of a line."""
    try:
        found = read(text)
    except MalformedError as error:
        return [str(error)]
    if isinstance(found, authorized_keys.Key):
        assert found.fingerprint == parse(KEY).fingerprint
        return [found.comment, found.refusal(NOW), *(value for _name, value in found.options if value)]
    return [found[0]] if found else []


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=12).map(b"".join))
def test_whatever_a_user_writes_it_is_read_or_refused_and_can_be_shown(text):
    for read in (parse, parse_principal, parse_authority):
        assert all(shown.isprintable() for shown in texts_of(read, text))
