# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authinfo: an alert describes a key as ssh-keygen prints it."""

import base64
import re
import shutil
import struct
import subprocess
from pathlib import Path

import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.alert import log_line
from ssh_login_notify.authinfo import KEY_FIELDS, SHORT_NAMES, fingerprint, parse
from ssh_login_notify.text import LONGEST_PHRASE, printable
from ssh_login_notify.wording import authentication

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
    """Return sshd's text for a key file: type and blob, without the comment."""
    return b" ".join(path.read_bytes().split()[:2])


def printed(path):
    """Return the fingerprint and the type in `ssh-keygen -lf`."""
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
    assert method["certificate"] == {
        "key_id": "ada@example.org", "serial": 4711, "ca": printed(signer)[0], "principals": ["deploy", "root"],
    }  # fmt: skip


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
    assert method["certificate"] == {
        "key_id": "id", "principals": ["deploy"], "serial": 1 << 63, "ca": fingerprint(authority),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ([], []),
        ([b""], [""]),
        ([b"ada", b"\xd0\xb0da", b"a\n\xff"], ["ada", "\u0430da", "a\\n\\xff"]),
        ([b"x" * 299] * 256, ["x" * 299] * 10),
        ([b"x" * 100000], ["x" * 299 + "\u2026"]),
    ],
)
def test_a_certificates_principals_are_kept_as_far_as_they_fill_no_disk(names, kept):
    authority = string(b"ssh-ed25519") + string(b"a" * 32)
    blob = string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"nonce") + string(b"k" * 32) + struct.pack(">QI", 0, 1)
    blob += string(b"id") + string(b"".join(map(string, names))) + struct.pack(">QQ", 0, (1 << 64) - 1)
    blob += string(b"") * 3 + string(authority) + string(b"signature")
    (method,) = parse(b"publickey ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(blob))
    assert method["certificate"]["principals"] == kept


def make_fido_key(directory, kind, application):
    """Return a FIDO key's public file and blob. The public key is real, and only hardware has the private one."""
    plain = public(make_key(directory, *kind.split("-")).with_suffix(".pub")).split()[1]
    fields = base64.b64decode(plain)[4 + len("ssh-ed25519" if kind == "ed25519" else "ecdsa-sha2-nistp256") :]
    name = b"sk-ssh-ed25519@openssh.com" if kind == "ed25519" else b"sk-ecdsa-sha2-nistp256@openssh.com"
    blob = string(name) + fields + string(application.encode())
    path = directory / f"fido-{kind}-{application.replace(':', '-')}.pub"
    path.write_bytes(name + b" " + base64.b64encode(blob) + b" a comment\n")
    return path


# Counters of each length, and the limits of what sshd prints (a 32-bit number).
COUNTERS = [*range(100), *range(100, 10001, 99), 99999, (1 << 32) - 1]
# Names of all lengths modulo 3, so with every base64 padding. The first is ssh-keygen's default.
APPLICATIONS = ["ssh:", "ssh:w", "ssh:wo", "ssh:work", "ssh:a-longer-name.example.org"]


@takes_ssh_keygen
@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-256"])
def test_a_fido_key_is_named_as_ssh_keygen_prints_it_whatever_its_counter_says(tmp_path, kind, application):
    key = make_fido_key(tmp_path, kind, application)
    expected = dict(zip(("fingerprint", "key_type"), printed(key)), method="publickey")
    for counter in COUNTERS:
        (method,) = parse(b"publickey " + public(key) + b" signature count = %d\n" % counter)
        assert method == dict(expected, signature_count=counter)


@takes_ssh_keygen
@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-256"])
def test_a_fido_keys_certificate_keeps_its_id_serial_and_authority(tmp_path, kind, application):
    signer = make_key(tmp_path / "ca", "ed25519")
    key = make_fido_key(tmp_path, kind, application)
    keygen("-q", "-s", signer, "-I", "ada@example.org", "-n", "deploy", "-z", 4711, key)
    certificate = key.with_name(key.stem + "-cert.pub")
    shown, key_type = printed(certificate)
    assert shown == printed(key)[0]
    told = {"key_id": "ada@example.org", "serial": 4711, "ca": printed(signer)[0], "principals": ["deploy"]}
    expected = {"method": "publickey", "key_type": key_type, "fingerprint": shown, "certificate": told}
    for counter in COUNTERS[::7]:
        (method,) = parse(b"publickey " + public(certificate) + b" signature count = %d" % counter)
        assert method == dict(expected, signature_count=counter)


KNOWN = {kind: string(kind) + string(b"field") * KEY_FIELDS[kind] for kind in KEY_FIELDS}
ANY_KEY = st.sampled_from(sorted(KNOWN))
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


@given(ANY_KEY, st.binary(min_size=1, max_size=9))
def test_a_blob_with_something_behind_the_key_is_no_key(kind, more):
    (method,) = parse(b"publickey " + kind + b" " + base64.b64encode(KNOWN[kind] + more))
    assert set(method) == {"method", "detail"}


@given(ANY_KEY, st.data())
def test_base64_in_any_other_form_than_sshds_is_not_a_key(kind, data):
    encoded = base64.b64encode(KNOWN[kind])
    position = data.draw(st.integers(0, len(encoded)))
    odd = data.draw(st.sampled_from([b"=", b"-", b"_", b"\t", b"\r", b"\x0b", b"\x0c", b"\xa0", b"\0", b"*", b"."]))
    (method,) = parse(b"publickey " + kind + b" " + encoded[:position] + odd + encoded[position:])
    assert set(method) == {"method", "detail"}


@given(ANY_KEY, st.lists(st.integers(0, 64), max_size=3))
def test_a_fingerprint_is_the_one_of_just_what_was_said_or_there_is_none(kind, places):
    encoded = bytearray(base64.b64encode(KNOWN[kind]))
    for place in places:
        encoded[place * len(encoded) // 65] = ALPHABET[place]
    (method,) = parse(b"publickey " + kind + b" " + bytes(encoded))
    if "fingerprint" in method:
        blob = base64.b64decode(bytes(encoded), validate=True)
        assert method["fingerprint"] == fingerprint(blob)
        assert base64.b64encode(blob) == bytes(encoded)
    else:
        assert "detail" in method


@given(ANY_KEY, st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_words_after_a_key_are_kept_and_do_not_change_the_key(kind, more):
    (method,) = parse(b"publickey " + kind + b" " + base64.b64encode(KNOWN[kind]) + b" " + more.encode())
    assert method["fingerprint"] == fingerprint(KNOWN[kind])
    assert method["detail"] == more


@pytest.mark.parametrize("method", ["gssapi-with-mic", "password", "keyboard-interactive/pam"])
def test_a_method_that_has_no_key_gets_none_from_words_that_look_like_one(method):
    said = b"ssh-ed25519 " + base64.b64encode(KNOWN[b"ssh-ed25519"]) + b" signature count = 7"
    label = "principal" if method == "gssapi-with-mic" else "detail"
    assert parse(method.encode() + b" " + said) == [{"method": method, label: said.decode()}]


HOSTBASED = b'hostbased %s %s client user "%s", client host "%s"\n'
NAMES = st.binary(max_size=100).map(lambda name: name.replace(b"\n", b"").replace(b"\0", b""))


@takes_ssh_keygen
@pytest.mark.parametrize(("kind", "bits"), [*KEYS, ("rsa", "2048"), ("rsa", "3072")])
def test_a_hostbased_login_has_the_hosts_key_its_user_and_its_name(tmp_path, kind, bits):
    key = make_key(tmp_path, kind, bits).with_suffix(".pub")
    (method,) = parse(HOSTBASED % (*public(key).split(), b"alice", b"node1.example.org"))
    assert (method.pop("fingerprint"), method.pop("key_type")) == printed(key)
    assert method == {"method": "hostbased", "client_user": "alice", "client_host": "node1.example.org"}


@given(NAMES, NAMES)
def test_the_names_of_a_hostbased_login_are_the_clients_own_or_are_not_told_apart(user, host):
    blob = KNOWN[b"ssh-ed25519"]
    (method,) = parse(HOSTBASED % (b"ssh-ed25519", base64.b64encode(blob), user, host))
    assert method["fingerprint"] == fingerprint(blob)
    assert (method["client_user"], method["client_host"]) == (printable(user), printable(host))


@given(
    st.lists(st.sampled_from([b'", client host "', b'"', b", client host ", b"alice", b"node1", b"\r", b"\\"])), NAMES
)
def test_a_client_user_that_holds_the_words_between_the_names_forges_no_host(pieces, name):
    for user, host in ((b"".join(pieces), name), (name, b"".join(pieces))):
        line = HOSTBASED % (b"ssh-ed25519", base64.b64encode(KNOWN[b"ssh-ed25519"]), user, host)
        (method,) = parse(line)
        said = line.decode("utf-8", "backslashreplace").split(" ", 3)[3].rstrip("\n")
        told = {key: method[key] for key in method if key not in ("method", "key_type", "fingerprint")}
        assert told in (
            {"client_user": printable(user), "client_host": printable(host)},
            {"detail": printable(said.encode())},
        )


def test_a_carriage_return_in_a_client_users_name_begins_no_method():
    line = HOSTBASED % (b"ssh-ed25519", base64.b64encode(KNOWN[b"ssh-ed25519"]), b"x\rpassword", b"h\x0bpassword")
    (method,) = parse(line)
    assert (method["client_user"], method["client_host"]) == ("x\\rpassword", "h\\x0bpassword")


def test_every_type_of_key_has_a_short_name_and_a_number_of_fields():
    assert set(SHORT_NAMES) == set(KEY_FIELDS)


@pytest.mark.parametrize("method", ["password", "keyboard-interactive/pam", "gssapi-with-mic", "hostbased"])
def test_a_method_without_a_key_is_named_alone(method):
    assert parse(method.encode()) == [{"method": method}]


def test_all_required_methods_are_named_in_order():
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
        b"ssh-rsa " + base64.b64encode(string(b"ssh-ed25519") + string(b"k")),  # claims one type, and is of another
        b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(string(b"ssh-ed25519-cert-v01@openssh.com")),
        b"new-cert-v01@openssh.com " + base64.b64encode(string(b"new-cert-v01@openssh.com") + b"\0" * 90),
        b"new-cert-v02@openssh.com " + base64.b64encode(string(b"new-cert-v02@openssh.com") + b"\0" * 90),
        b"deploy@EXAMPLE.ORG",
    ],
)
def test_unparsable_text_is_shown_unchanged(rest):
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


@given(st.integers(0, 250))
def test_a_certificate_that_is_cut_anywhere_is_shown_as_it_stands_or_read_whole(length):
    name = b"ssh-ed25519-cert-v01@openssh.com"
    blob = string(name) + string(b"n" * 32) + string(b"k" * 32) + struct.pack(">QI", 1, 1) + string(b"id")
    blob += string(b"") + struct.pack(">QQ", 0, 1) + string(b"") * 3 + string(b"authority") + string(b"signature")
    (method,) = parse(b"publickey " + name + b" " + base64.b64encode(blob[:length]))
    assert ("certificate" in method) == (length >= len(blob))


# The output of ssh-keygen 9.2 for keys/dsa.pub and its authority. OpenSSH 10 does not support DSA, but a server can.
DSA = (
    "SHA256:FbrCtCCbb3Ybx1WfjpIVEOa685dPEU7GxqbxA615WNU",
    "DSA",
    "SHA256:7MgggrNXX34ytdtWzK/hXggmiPm3iV7kDSweGgcAH5M",
)
KINDS = ["rsa", "dsa", "ecdsa-256", "ecdsa-384", "ecdsa-521", "ed25519", "sk-ecdsa", "sk-ed25519"]


class Keys:
    """One key of each kind in OpenSSH, and a certificate for it: sshd's text, and ssh-keygen's output."""

    def __init__(self, directory):
        self._signer = make_key(directory / "ca", "ed25519")
        self._files = {
            "rsa": make_key(directory, "rsa", "1024").with_suffix(".pub"),
            "ecdsa-256": make_key(directory, "ecdsa", "256").with_suffix(".pub"),
            "ecdsa-384": make_key(directory, "ecdsa", "384").with_suffix(".pub"),
            "ecdsa-521": make_key(directory, "ecdsa", "521").with_suffix(".pub"),
            "ed25519": make_key(directory, "ed25519").with_suffix(".pub"),
            "sk-ecdsa": make_fido_key(directory / "sk", "ecdsa-256", "ssh:"),
            "sk-ed25519": make_fido_key(directory / "sk", "ed25519", "ssh:"),
        }
        for file in self._files.values():
            keygen("-q", "-s", self._signer, "-I", "ada@example.org", "-n", "deploy", "-z", 4711, file)
        authority = printed(self._signer)[0]
        self._shown = {kind: (*printed(file), authority) for kind, file in self._files.items()}
        self._shown["dsa"] = DSA

    def said(self, kind, certificate=False):
        """Return sshd's text."""
        if kind == "dsa":
            return public(Path(__file__).with_name("keys") / ("dsa-cert.pub" if certificate else "dsa.pub"))
        file = self._files[kind]
        return public(file.with_name(file.stem + "-cert.pub") if certificate else file)

    def shown(self, kind, certificate=False):
        """Return what the alert must show."""
        shown, name, authority = self._shown[kind]
        if not certificate:
            return f"{name} {shown}"
        return f'{name}-CERT {shown} (certificate serial 4711, CA {authority}, key id "ada@example.org")'


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


def shown(said):
    return authentication(parts.alert(methods=parse(said)))


@takes_ssh_keygen
@pytest.mark.parametrize("certificate", [False, True], ids=["key", "certificate"])
@pytest.mark.parametrize("method", ["publickey", "hostbased"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_alert_names_each_kind_of_key_and_certificate(keys, kind, method, certificate):
    said = method.encode() + b" " + keys.said(kind, certificate)
    assert shown(said + b"\n") == f"{method} {keys.shown(kind, certificate)}"
    # What sshd appends is one more fact, and changes nothing before it.
    more, fact = {
        "publickey": (b" signature count = 17", "signature count 17"),
        "hostbased": (b' client user "alice", client host "node1"', 'client user "alice", client host "node1"'),
    }[method]
    found = shown(said + more + b"\n")
    assert fact in found
    assert keys.shown(kind, certificate).rstrip(")").partition(", key id")[0] in found


# From OpenSSH's auth2.c, monitor.c and auth2-chall.c, and the GSSAPI key exchange of Debian and Fedora.
FORMS = [
    (b"password\n", "password"),
    (b"none\n", "none"),
    (b"keyboard-interactive/pam\n", "keyboard-interactive/pam"),
    (b"keyboard-interactive/bsdauth\n", "keyboard-interactive/bsdauth"),
    (b"keyboard-interactive\n", "keyboard-interactive"),
    (b"gssapi-with-mic alice@EXAMPLE.ORG\n", 'gssapi-with-mic (principal "alice@EXAMPLE.ORG")'),
    (b"gssapi-keyex alice/admin@EXAMPLE.ORG\n", 'gssapi-keyex (principal "alice/admin@EXAMPLE.ORG")'),
    (b"gssapi-with-mic alice smith@EXAMPLE.ORG\n", 'gssapi-with-mic (principal "alice smith@EXAMPLE.ORG")'),
    (b"gssapi-with-mic\n", "gssapi-with-mic"),
    (b"publickey\n", "publickey"),
    (b"hostbased\n", "hostbased"),
    (b"", "sshd did not say"),
]


@pytest.mark.parametrize(("said", "expected"), FORMS)
def test_the_alert_names_each_method_without_a_key(said, expected):
    assert shown(said) == expected


@takes_ssh_keygen
@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["{ed25519}", "{rsa}"], "publickey {ed25519}, then publickey {rsa}"),
        (["{ed25519}", "password"], "publickey {ed25519}, then password"),
        (["{sk-ed25519}", "keyboard-interactive/pam"], "publickey {sk-ed25519}, then keyboard-interactive/pam"),
        (
            ["keyboard-interactive/pam", "{rsa}", "gssapi-with-mic a@EXAMPLE.ORG"],
            'keyboard-interactive/pam, then publickey {rsa}, then gssapi-with-mic (principal "a@EXAMPLE.ORG")',
        ),
    ],
)
def test_the_alert_names_all_of_several_methods_in_their_order(keys, methods, expected):
    """As AuthenticationMethods requires them (sshd_config(5))."""
    said = [method.format(**{kind: "publickey " + keys.said(kind).decode() for kind in KINDS}) for method in methods]
    assert shown("".join(f"{method}\n" for method in said).encode()) == expected.format(
        **{kind: keys.shown(kind) for kind in KINDS}
    )


def test_the_log_has_the_name_that_a_gssapi_login_has_proven():
    line = log_line(parts.alert(methods=parse(b"gssapi-with-mic alice@EXAMPLE.ORG\n")))
    assert line.endswith(" principal=alice@EXAMPLE.ORG")


def certificate_with(principals):
    name = b"ssh-ed25519-cert-v01@openssh.com"
    blob = string(name) + string(b"n" * 32) + string(b"k" * 32) + struct.pack(">QI", 1, 1) + string(b"id")
    blob += string(principals) + struct.pack(">QQ", 0, 1) + string(b"") * 3
    blob += string(b"authority") + string(b"signature")
    return b"publickey " + name + b" " + base64.b64encode(blob)


def test_a_certificate_tells_its_principals_as_they_are_and_no_more_of_them_than_fit():
    (method,) = parse(certificate_with(string(b"deploy") + string(b"\x1b[2J")))
    assert method["certificate"]["principals"] == ["deploy", "\\x1b[2J"]
    (method,) = parse(certificate_with(b""))
    assert method["certificate"]["principals"] == []
    (method,) = parse(certificate_with(string(b"x" * 1000) * 300))
    assert sum(map(len, method["certificate"]["principals"])) < LONGEST_PHRASE


def test_a_certificate_whose_principals_are_cut_is_shown_as_it_stands():
    (method,) = parse(certificate_with(string(b"deploy") + b"\0\0\0\x09root"))
    assert "certificate" not in method
    assert "detail" in method
