# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address or network of a rule, and whether a client's address is in it. The same on every Python from 3.6 on.

``local`` stands for all sockets that are not TCP: systemd's vsock and unix sockets, and pipes (peer.py). It is in no
network, and contains no address.

Three points in which versions of Python differ, or find no match, are decided here:

* A link-local address (``fe80::/10``) belongs to an interface. It counts only with its zone (RFC 4007, 11), as sshd
  shows it: ``fe80::1%eth0``. A network of such addresses has the zone before the length: ``fe80::%eth0/64``.
* An IPv4 address in IPv6 form (``::ffff:192.0.2.1``) is the IPv4 address, in a rule as in a login.
* An octet with a leading zero is refused, because some programs read it as decimal and others as octal.
"""

import ipaddress
import re
from typing import Any, Iterable, Tuple

LOCAL = "local"
LINK_LOCAL = ipaddress.ip_network("fe80::/10")
IPV4_IN_IPV6 = ipaddress.ip_network("::ffff:0:0/96")
ZONE = re.compile(r"[^%/\s]+\Z")
LEADING_ZERO = re.compile(r"(^|[.:/])0[0-9]+(\.|\Z)")


def problem(text: str) -> str:
    """Return why this is not an address or network that can be compared, and what to write; "" if it is one."""
    try:
        if text != LOCAL:
            _parse(text)
    except ValueError as error:
        return str(error)
    return ""


def holds(text: str, address: str) -> bool:
    """Return whether an address, as sshd shows it, is in a network; False if either is not valid."""
    if LOCAL in (text, address):
        return text == address
    try:
        network, zone = _parse(text)
        found, found_zone = _address(address)
    except ValueError:
        return False
    # A network without a zone contains either no link-local address, or all of them (::/0).
    return found.version == network.version and found in network and zone in ("", found_zone)


def cover_all(texts: Iterable[str]) -> bool:
    """Return whether these networks together contain every IPv4 address and every IPv6 address.

    An IPv6 network contains no IPv4 address in IPv6 form, so the networks need not list those again.
    """
    networks = [network for network, zone in map(_parse, (text for text in texts if text != LOCAL)) if not zone]
    found = [[network for network in networks if network.version == version] for version in (4, 6)]
    found[1].append(IPV4_IN_IPV6)
    return all(any(not network.prefixlen for network in ipaddress.collapse_addresses(family)) for family in found)


def _parse(text: str) -> Tuple[Any, str]:
    """Return a network and its zone, "" for none. Raise ValueError, with a message for people."""
    plain, zone = _without_zone(text)
    if "." in plain and LEADING_ZERO.search(plain):
        raise ValueError(f"{text!r} has a number with a leading zero; write it without")
    try:
        network = ipaddress.ip_network(plain, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network; write 192.0.2.1, 192.0.2.0/24 or local") from None
    if "/" in plain and ipaddress.ip_address(plain.partition("/")[0]) != network.network_address:
        whole = str(network) if not zone else f"{network.network_address}%{zone}/{network.prefixlen}"
        alone = text.partition("/")[0]
        raise ValueError(f"{text!r} is an address in a network; write {whole} for the network, {alone} for the address")
    is_link_local = network.version == 6 and network.prefixlen >= LINK_LOCAL.prefixlen
    is_link_local = is_link_local and network.network_address in LINK_LOCAL
    if is_link_local and not zone:
        address, slash, length = plain.partition("/")
        raise ValueError(
            f"{text!r} is link-local, and every interface has such addresses; write the interface, as in"
            f" {address}%eth0{slash}{length}"
        )
    if zone and not is_link_local:
        raise ValueError(f"{text!r} has a zone, which only link-local addresses have; write it without")
    return _as_ipv4(network), zone


def _without_zone(text: str) -> Tuple[str, str]:
    address, slash, length = text.partition("/")
    address, percent, zone = address.partition("%")
    if percent and not ZONE.match(zone):
        raise ValueError(f"{text!r} has no interface name after its percent sign; write fe80::1%eth0")
    return address + slash + length, zone


def _as_ipv4(network: Any) -> Any:
    length = network.prefixlen - IPV4_IN_IPV6.prefixlen
    if network.version == 4 or network.network_address not in IPV4_IN_IPV6 or length < 0:
        return network
    return ipaddress.ip_network(f"{network.network_address.ipv4_mapped}/{length}")


def _address(text: str) -> Tuple[Any, str]:
    """Return an address and its zone. Raise ValueError if the text is not an address."""
    plain, zone = _without_zone(text)
    if "." in plain and LEADING_ZERO.search(plain):
        raise ValueError("a leading zero")
    address = ipaddress.ip_address(plain)
    if zone and address not in LINK_LOCAL:
        raise ValueError("a zone that no such address has")
    return (getattr(address, "ipv4_mapped", None) or address), zone


def around(address: str) -> str:
    """Return the network around a client's address: a /24, or a /48 for IPv6; "" if the text is not an address.

    A site has at most a /48 of IPv6 (RFC 6177, 2), and a provider often assigns IPv4 addresses from one /24 in turn.
    """
    try:
        found, zone = _address(address)
    except ValueError:
        return ""
    length = 24 if found.version == 4 else 48
    network = str(ipaddress.ip_network(f"{found}/{length}", strict=False))
    return network if not zone else network.replace("/", f"%{zone}/")
