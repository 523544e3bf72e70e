# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on which a person sees the messages, and the headers that keep a hostile message harmless on it."""

from __future__ import annotations

from pathlib import Path

_DIRECTORY = Path(__file__).parent / "page"

# path: (content type, content)
FILES: dict[str, tuple[str, bytes]] = {
    "/": ("text/html; charset=utf-8", (_DIRECTORY / "index.html").read_bytes()),
    "/page.css": ("text/css; charset=utf-8", (_DIRECTORY / "page.css").read_bytes()),
    "/looks.css": ("text/css; charset=utf-8", (_DIRECTORY / "looks.css").read_bytes()),
    "/page.js": ("text/javascript; charset=utf-8", (_DIRECTORY / "page.js").read_bytes()),
}

# The script makes nodes and texts, never HTML from a string. Trusted Types makes the browser enforce that.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
