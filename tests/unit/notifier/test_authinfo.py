# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authinfo: what ssh-keygen prints about a key is what an alert says of it."""

import base64
import re
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.authinfo import KEY_FIELDS, SHORT_NAMES, fingerprint, parse

KEYS = [("rsa", "1024"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("ed25519", None)]
takes_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="takes ssh-keygen")


def keygen(*arguments):
    done = subprocess.run(
        ["ssh-keygen", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def make_key(directory, kind, bits=None):
    directory.mkdir(exist_ok=True)
    path = directory / "-".join(filter(None, ["key", kind, bits]))
    keygen("-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-C", "a comment", "-f", path)
    return path


def public(path):
    """The line that sshd writes for a key of this file: type and blob, without the comment."""
    return b" ".join(path.read_bytes().split()[:2])


def printed(path):
    """The fingerprint and the type in `ssh-keygen -lf`."""
    match = re.match(r"\d+ (SHA256:\S+) .*\((\S+)\)$", keygen("-l", "-f", path).strip())
    return match.groups()


def string(data):
    return struct.pack(">I", len(data)) + data


@takes_ssh_keygen
@pytest.mark.parametrize(("kind", "bits"), KEYS)
def test_a_key_is_named_as_ssh_keygen_prints_it(tmp_path, kind, bits):
    key = make_key(tmp_path, kind, bits).with_suffix(".pub")
    (method,) = parse(b"publickey " + public(key) + b"\n")
    assert method["method"] == "publickey"
    assert (method["fingerprint"], method["key_type"]) == printed(key)
    assert set(method) == {"method", "fingerprint", "key_type"}


@takes_ssh_keygen
@pytest.mark.parametrize(("kind", "bits"), KEYS)
@pytest.mark.parametrize("authority", [("ed25519",), ("rsa", "1024")], ids=["by ed25519", "by rsa"])
def test_a_certificate_is_named_by_its_key_its_id_and_its_authority(tmp_path, kind, bits, authority):
    signer = make_key(tmp_path / "ca", *authority)
    key = make_key(tmp_path, kind, bits)
    keygen(
        "-q", "-s", signer, "-I", "ada@example.org", "-n", "deploy,root", "-z", 4711, "-V", "+1h",
        "-O", "force-command=/bin/true", "-O", "source-address=192.0.2.0/24", key,
    )  # fmt: skip
    certificate = tmp_path / (key.name + "-cert.pub")
    (method,) = parse(b"publickey " + public(certificate))
    assert (method["fingerprint"], method["key_type"]) == printed(certificate)
    assert method["fingerprint"] == printed(key)[0]
    assert method["certificate"] == {"key_id": "ada@example.org", "serial": 4711, "ca": printed(signer)[0]}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (b"sk-ssh-ed25519@openssh.com", [b"k" * 32, b"ssh:"]),
        (b"sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256", b"\4" + b"k" * 64, b"ssh:"]),
        (b"ssh-dss", [b"p" * 128, b"q" * 20, b"g" * 128, b"y" * 128]),
    ],
)
def test_a_certificate_of_a_key_that_only_hardware_or_old_programs_make_is_read_too(kind, fields):
    # PROTOCOL.certkeys and PROTOCOL.u2f of OpenSSH: the fields between the nonce and the serial number are the key's.
    key = b"".join(map(string, fields))
    authority = string(b"ssh-ed25519") + string(b"a" * 32)
    kind_of_certificate = kind.replace(b"@openssh.com", b"") + b"-cert-v01@openssh.com"
    blob = string(kind_of_certificate) + string(b"nonce") + key + struct.pack(">QI", 1 << 63, 1)
    blob += string(b"id") + string(string(b"deploy")) + struct.pack(">QQ", 0, (1 << 64) - 1)
    blob += string(b"") + string(b"") + string(b"") + string(authority) + string(b"signature")
    (method,) = parse(b"publickey " + kind_of_certificate + b" " + base64.b64encode(blob))
    assert method["fingerprint"] == fingerprint(string(kind) + key)
    assert method["key_type"] == SHORT_NAMES[kind] + "-CERT"
    assert method["certificate"] == {"key_id": "id", "serial": 1 << 63, "ca": fingerprint(authority)}


def test_every_type_of_key_has_a_short_name_and_a_number_of_fields():
    assert set(SHORT_NAMES) == set(KEY_FIELDS)


@pytest.mark.parametrize("method", ["password", "keyboard-interactive/pam", "gssapi-with-mic", "hostbased"])
def test_a_method_without_a_key_is_named_alone(method):
    assert parse(method.encode()) == [{"method": method}]


def test_all_methods_that_were_needed_are_told_in_their_order():
    blob = base64.b64encode(string(b"ssh-ed25519") + string(b"k" * 32))
    methods = parse(b"publickey ssh-ed25519 " + blob + b"\nkeyboard-interactive/pam\npassword\n")
    assert [method["method"] for method in methods] == ["publickey", "keyboard-interactive/pam", "password"]


def test_nothing_said_is_no_method():
    assert parse(b"") == parse(b"\n\n") == []


def test_a_key_of_a_type_of_the_future_still_has_its_fingerprint():
    blob = string(b"ssh-mldsa@example.org") + string(b"k" * 50)
    (method,) = parse(b"publickey ssh-mldsa@example.org " + base64.b64encode(blob))
    assert (method["key_type"], method["fingerprint"]) == ("ssh-mldsa@example.org", fingerprint(blob))


@pytest.mark.parametrize(
    "rest",
    [
        b"ssh-ed25519",
        b"ssh-ed25519 !!!!",
        b"ssh-ed25519 AAAA",
        b"ssh-rsa " + base64.b64encode(string(b"ssh-ed25519") + string(b"k")),  # says one type, is of another
        b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(string(b"ssh-ed25519-cert-v01@openssh.com")),
        b"new-cert-v01@openssh.com " + base64.b64encode(string(b"new-cert-v01@openssh.com") + b"\0" * 90),
        b"deploy@EXAMPLE.ORG",
    ],
)
def test_what_can_not_be_read_is_shown_as_it_stands(rest):
    (method,) = parse(b"publickey " + rest)
    assert method["detail"][:40] == rest.decode()[:40]
    assert "fingerprint" not in method


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_fail(text):
    for methods in (parse(text), parse(b"publickey " + text), parse(b"publickey ssh-rsa " + base64.b64encode(text))):
        assert all(isinstance(method["method"], str) for method in methods)


@given(st.sampled_from(sorted(KEY_FIELDS)), st.binary(max_size=120))
def test_no_broken_certificate_makes_it_fail(kind, rest):
    name = kind.replace(b"@openssh.com", b"") + b"-cert-v01@openssh.com"
    (method,) = parse(b"publickey " + name + b" " + base64.b64encode(string(name) + string(b"n") + rest))
    assert ("detail" in method) != ("certificate" in method)


@given(st.integers(0, 400))
def test_a_certificate_that_is_cut_anywhere_is_shown_as_it_stands_or_read_whole(length):
    name = b"ssh-ed25519-cert-v01@openssh.com"
    blob = string(name) + string(b"n" * 32) + string(b"k" * 32) + struct.pack(">QI", 1, 1) + string(b"id")
    blob += string(b"") + struct.pack(">QQ", 0, 1) + string(b"") * 3 + string(b"authority")
    (method,) = parse(b"publickey " + name + b" " + base64.b64encode(blob[:length]))
    assert ("certificate" in method) == (length >= len(blob))
