# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server and its readers' mail program. The SMTP server itself is mail.py.

Source: RFC 5321 (replies), RFC 5322 (headers), RFC 2047 (encoded words), RFC 2046 (multipart/alternative: most programs
show the last part).
"""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Mapping

from ..looks import BUTTON, FIELD, NOTE, TITLE, Part, inspect, line_or_note, shown
from ..mrkdwn import Findings
from ..verdict import Answer, Verdict

ONCE = ("from", "to", "subject", "date", "message-id")
# RFC 5322, 2.1.1.
LONGEST_LINE = 998
TAGS = {"html", "head", "meta", "body", "p", "b", "table", "tr", "td", "a"}
# Used as the method of a request.
DATA = "DATA"
SAYS = {
    "refused": (554, "5.6.0 Message content rejected"),
    "closed": (550, "5.1.1 User unknown"),
    "limited": (451, "4.7.1 Try again later"),
    "broken": (451, "4.3.0 Local error in processing"),
}


def judge(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge one message. path: the recipients, `/ops@example.com`. headers: empty, because they are in the message."""
    verdict = Verdict(250, "2.0.0 Ok: queued")
    findings = verdict.findings
    if method != DATA:
        findings.add("request", "must come by SMTP")
        verdict.refuse(503, "5.5.1 Bad sequence of commands")
        return verdict
    message = BytesParser(policy=policy.default).parsebytes(body)
    assert isinstance(message, EmailMessage)
    verdict.payload = {name: str(value) for name, value in message.items()}
    for name in ONCE:
        if len(message.get_all(name, [])) != 1:
            findings.add(name, "must be there once")
    if message.defects or any(len(line) > LONGEST_LINE for line in body.split(b"\r\n")):
        findings.add("message", f"has defects, or a line of more than {LONGEST_LINE} bytes: {message.defects}")
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    if plain is None or page is None or message.get_content_type() != "multipart/alternative":
        findings.add("message", "must have a plain text and a page of HTML")
    else:
        _show(verdict, str(message["subject"]), plain.get_content().replace("\r\n", "\n"), page.get_content())
    if findings.problems:
        verdict.refuse(*SAYS["refused"])
    return verdict


def _show(verdict: Verdict, subject: str, plain: str, html: str) -> None:
    page = _Page(verdict.findings)
    page.feed(html)
    page.close()
    inspect(subject, "subject", verdict.findings)
    inspect(plain, "text", verdict.findings)
    verdict.shown = {**shown(page.parts, text=plain), "subject": subject}


class _Page(HTMLParser):
    """What a person sees of an HTML page."""

    def __init__(self, findings: Findings) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self._findings = findings
        self._cells: list[str] = []
        self._text = ""
        self._is_bold = False
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self._findings.add("page", f"<{tag}> is none of {sorted(TAGS)}")
        if tag in ("p", "td"):
            self._text, self._is_bold, self._link = "", False, ""
        self._is_bold = self._is_bold or tag == "b"
        if tag == "a":
            self._link = dict(attrs).get("href") or ""
            self._findings.links.append(self._link)

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cells.append(self._text)
        elif tag == "tr":
            label, value = self._cells
            self._cells = []
            self.parts.append(Part(NOTE, f"id {value}") if label == "id" else Part(FIELD, value, label))
        elif tag == "p" and self._link:
            self.parts.append(Part(BUTTON, self._text, url=self._link))
        elif tag == "p":
            self.parts.append(Part(TITLE, self._text) if self._is_bold else line_or_note(self._text))

    def handle_data(self, data: str) -> None:
        self._text += data


def answer(how: str, seconds: int) -> Answer:
    """Return a mail server's reply."""
    return Answer(*SAYS[how])
