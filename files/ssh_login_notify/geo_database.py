# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The country and the network of an address, by files in MaxMind's format (MMDB) on this host.

They are read by the library maxminddb, in pure Python, of the distribution's package python3-maxminddb. The notifier's
Python is isolated (-I -S), so it does not find the distribution's libraries. This one is loaded by root from the
directories where distributions put them, if root alone can write to it and to all on the way to it.
"""

import importlib
import os
import sys

from . import trust
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional

LIBRARY = "maxminddb"
# Debian and Ubuntu have one directory for all versions of Python 3, others one for each.
DIRECTORIES = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
    f"/usr/lib64/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
)
# Characters of a name.
LONGEST = 100
# A file that is being replaced in its place could not be read by mmap(2) without a risk to the process.
MODE_FILE = 4
INSTALL = "install the distribution's package python3-maxminddb, or remove ssh_login_notify_geo_database"


class GeoDatabase:
    """Databases of this host. To be made by root, who may be the only one to read them."""

    def __init__(self, paths: str, language: str) -> None:
        """Open databases. What is missing or damaged is left out, and `problems` says so.

        paths: with `:` between. language: a code, of the names of countries that are preferred
        """
        self.problems: List[str] = []
        self._language = language
        self._readers: List[Any] = []
        library = _library()
        if library is None:
            self.problems.append(f"there is no library maxminddb that root alone can write to: {INSTALL}")
            return
        for path in paths.split(":"):
            why = _why_not(path)
            if not why:
                try:
                    self._readers.append(library.open_database(path, MODE_FILE))
                    continue
                except Exception as error:  # InvalidDatabaseError, or whatever the library makes of a damaged file
                    why = f"can't be used ({printable(str(error), LONGEST)})"
            mend = "correct it, or remove it from ssh_login_notify_geo_database"
            self.problems.append(f"the database {printable(path)} {why}: {mend}")

    def of(self, address: str) -> "Optional[Dict[str, Any]]":
        """Return the part of an alert's context (context.py), None if nothing is known."""
        found: Dict[str, Any] = {}
        for reader in self._readers:
            try:
                record = reader.get(address)
            except Exception:  # noqa: S112 - no address, IPv6 in a database of IPv4, or a damaged file: nothing is known
                continue
            for name, value in _facts(record, self._language):
                found.setdefault(name, value)
        return found or None

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()


def _library() -> "Optional[Any]":
    """Return the library, None if there is none that root can trust."""
    directory = next((place for place in DIRECTORIES if os.path.isdir(os.path.join(place, LIBRARY))), "")
    if not directory or not _is_roots(os.path.join(directory, LIBRARY)):
        return None
    # Last, so that it hides nothing of Python's own.
    sys.path.append(directory)
    try:
        return importlib.import_module(LIBRARY)
    except Exception:  # made for another Python, or damaged
        return None
    finally:
        sys.path.remove(directory)


def _is_roots(package: str) -> bool:
    """Tell whether root alone can write to a directory, to all in it, and to all on the way to it."""
    files = [os.path.join(place, name) for place, _names, names in os.walk(package) for name in names]
    places = [place for place, _names, _files in os.walk(package)]
    return not trust.open_directories([*places, *files])


def _why_not(path: str) -> str:
    """Return why a file is not opened, "" if it may be."""
    if not os.path.isfile(path):
        return "is missing"
    if trust.open_directories([path]):
        return "can be written by other users than root"
    return ""


def _facts(record: "Any", language: str) -> "Iterator[Any]":
    """Yield names and values of a record, as those who publish databases write them.

    MaxMind's GeoLite2 and DB-IP: country.names, autonomous_system_number. IPinfo: country, asn, as_name.
    """
    if not isinstance(record, dict):
        return
    country = record.get("country")
    if isinstance(country, dict):
        names = country.get("names")
        names = names if isinstance(names, dict) else {}
        country = names.get(language) or names.get("en") or country.get("iso_code")
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str) and number[:2] == "AS" and number[2:12].isdigit():
        number = int(number[2:12])
    owner = record.get("autonomous_system_organization") or record.get("as_name")
    if isinstance(country, str) and country:
        yield "country", printable(country, LONGEST)
    if isinstance(number, int) and not isinstance(number, bool):
        yield "number", number
    if isinstance(owner, str) and owner:
        yield "owner", printable(owner, LONGEST)
