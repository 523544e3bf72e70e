# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate authority for the tests, with a good server certificate and three that a client must refuse.

They are made with the `openssl` command, because Python's standard library can't make certificates. `openssl ca`
accepts a start and an end date in every version from 1.1.1 on; `openssl x509` only since 3.4.
"""

from __future__ import annotations

import ipaddress
import ssl
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Iterable

# Since 3.13, Python's ssl checks certificates strictly (RFC 5280): hence the key identifiers and critical extensions.
CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {common_name}
[ca]
default_ca = authority
[authority]
dir = {directory}
database = $dir/index
rand_serial = yes
new_certs_dir = $dir
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[authority_extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server_extensions]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""

ALWAYS = ("localhost", "127.0.0.1", "::1")
BAD_KINDS = ("expired", "wrong-name", "unknown-ca")
DAY = timedelta(days=1)


class Authority:
    """A certificate authority in a directory of its own. An authority that is already there is used again."""

    def __init__(self, directory: Path, common_name: str) -> None:
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._key = directory / "ca.key"
        if not self.certificate.exists():
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "index").write_text("", encoding="ascii")
            self._sign("ca", common_name, "", "authority_extensions", -2 * DAY, 3650 * DAY)

    def issue(self, stem: str, names: Iterable[str], start: timedelta, end: timedelta) -> ssl.SSLContext:
        """Issue a server certificate for `names` (DNS names, addresses), valid from now + start to now + end."""
        names = list(names)
        self._sign(stem, names[0], ", ".join(map(_alternative_name, names)), "server_extensions", start, end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.directory / f"{stem}.pem"), str(self.directory / f"{stem}.key"))
        context.sni_callback = _remember_server_name
        return context

    def _sign(self, stem: str, name: str, names: str, extensions: str, start: timedelta, end: timedelta) -> None:
        config, key, request = (self.directory / f"{stem}.{suffix}" for suffix in ("cnf", "key", "csr"))
        names = names or "DNS:unused.example"
        config.write_text(CONFIG.format(common_name=name, directory=self.directory, names=names), encoding="utf-8")
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        key.chmod(0o600)
        _openssl("req", "-new", "-config", str(config), "-key", str(key), "-out", str(request))
        now = datetime.now(timezone.utc)
        _openssl(
            "ca", "-batch", "-notext", "-config", str(config), "-extensions", extensions,
            "-in", str(request), "-out", str(self.directory / f"{stem}.pem"), "-keyfile", str(self._key),
            *(["-selfsign"] if key == self._key else ["-cert", str(self.certificate)]),
            "-startdate", f"{now + start:%Y%m%d%H%M%SZ}", "-enddate", f"{now + end:%Y%m%d%H%M%SZ}",
        )  # fmt: skip


def make_contexts(state: Path, names: Iterable[str]) -> tuple[bytes, dict[str, ssl.SSLContext]]:
    """Return the authority's certificate (PEM) and a TLS context for `good` and each of BAD_KINDS.

    The authority is kept in `state`, so a client that trusts it still works after a restart.
    Raises RuntimeError if openssl fails or is missing.
    """
    authority = Authority(state / "ca", "loginwatch test authority")
    stranger = Authority(state / "unknown-ca", "an authority that nobody trusts")
    names = [*dict.fromkeys([*names, *ALWAYS])]
    return authority.certificate.read_bytes(), {
        "good": authority.issue("good", names, -DAY, 90 * DAY),
        "expired": authority.issue("expired", names, -30 * DAY, -DAY),
        "wrong-name": authority.issue("wrong-name", ["somebody-else.example"], -DAY, 90 * DAY),
        "unknown-ca": stranger.issue("unknown-ca", names, -DAY, 90 * DAY),
    }


def _alternative_name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _remember_server_name(connection: ssl.SSLObject, server_name: str | None, _context: ssl.SSLContext) -> None:
    connection.loginwatch_server_name = server_name  # type: ignore[attr-defined]


def _openssl(*arguments: str) -> None:
    try:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise RuntimeError("the command openssl is missing: apt-get install openssl") from None
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
