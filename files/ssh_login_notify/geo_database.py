# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up the country and the network of an address in files in MaxMind's format (MMDB) on this host.

The pure Python library maxminddb reads them. It comes from the distribution's package python3-maxminddb. The notifier's
Python is isolated (-I -S), so it does not find the distribution's libraries. Root loads this one from the directories
where distributions install libraries, if only root can write to it and to every directory above it.
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
# Debian and Ubuntu have one directory for all versions of Python 3, other distributions one for each version.
DIRECTORIES = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
    f"/usr/lib64/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
)
# The longest name, in characters.
LONGEST = 100
# Makes maxminddb read the file with read(2). With mmap(2), a file that is overwritten in place can crash the process.
MODE_FILE = 4
INSTALL = "install the distribution's package python3-maxminddb, or remove ssh_login_notify_geo_database"


class GeoDatabase:
    """The databases of this host. Root must create it, because other users may not be allowed to read the files."""

    def __init__(self, paths: str, language: str) -> None:
        """Open databases. Each one that is missing or damaged is skipped and reported in `problems`.

        paths: separated by `:`. language: code of the preferred language of country names
        """
        self.problems: List[str] = []
        self._language = language
        self._readers: List[Any] = []
        library = _library()
        if library is None:
            self.problems.append(
                "the library maxminddb is missing or can't be loaded, or users other than root can write to it:"
                f" {INSTALL}"
            )
            return
        for path in paths.split(":"):
            why = _why_not(path)
            if not why:
                try:
                    self._readers.append(library.open_database(path, MODE_FILE))
                    continue
                except Exception as error:  # InvalidDatabaseError, or another error for a damaged file
                    why = f"can't be used ({printable(str(error), LONGEST)})"
            mend = "correct it, or remove it from ssh_login_notify_geo_database"
            self.problems.append(f"the database {printable(path)} {why}: {mend}")

    def of(self, address: str) -> "Optional[Dict[str, Any]]":
        """Return the entry for an alert's context (context.py), or None if nothing is known about the address."""
        found: Dict[str, Any] = {}
        for reader in self._readers:
            try:
                record = reader.get(address)
            except Exception:  # noqa: S112 - not an address, IPv6 in an IPv4 database, or a damaged file
                continue
            for name, value in _facts(record, self._language):
                found.setdefault(name, value)
        return found or None

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()


def _library() -> "Optional[Any]":
    """Return the library, or None if it is missing or root can't trust it."""
    directory = next((place for place in DIRECTORIES if os.path.isdir(os.path.join(place, LIBRARY))), "")
    if not directory or not _is_roots(os.path.join(directory, LIBRARY)):
        return None
    # Last, so that it does not shadow Python's own modules.
    sys.path.append(directory)
    try:
        return importlib.import_module(LIBRARY)
    except Exception:  # built for another Python, or damaged
        return None
    finally:
        sys.path.remove(directory)


def _is_roots(package: str) -> bool:
    """Return whether only root can write to a directory, to everything in it, and to every directory above it."""
    files = [os.path.join(place, name) for place, _names, names in os.walk(package) for name in names]
    places = [place for place, _names, _files in os.walk(package)]
    return not trust.open_directories([*places, *files])


def _why_not(path: str) -> str:
    """Return why a file must not be opened, or "" if it can be."""
    if not os.path.isfile(path):
        return "is missing"
    if trust.open_directories([path]):
        return "can be written by other users than root"
    return ""


def _facts(record: "Any", language: str) -> "Iterator[Any]":
    """Yield the names and values of a record, in the forms that publishers of databases use.

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
