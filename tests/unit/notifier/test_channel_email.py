# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""channels/email: mail over real sockets and real TLS, a server's answer at every step, and no injected headers."""

import base64
import email
import email.policy
import html.parser
import re
import time

import pytest
from forms import CHOSEN
from hypothesis import given
from parts import FINGERPRINT, Server, alert, configuration
from ssh_login_notify import channels, transport, wording
from ssh_login_notify.alert import SELF_CHECK, TEST, own
from ssh_login_notify.channels import CLOSED, DELIVERED, FAILED, LIMITED, REFUSED
from ssh_login_notify.config import ConfigurationError
from ssh_login_notify.transport import Answer, TransportError

pytestmark = pytest.mark.each

NOW = 1763884862.0
PASSWORD = "not-a-real-secret"
ANOTHER = "another"
LOGIN = alert(1, weights=[])
GREEN = {"people": {FINGERPRINT: "Ada Lovelace"}}


class MailServer(Server):
    """A mail server (RFC 5321). replies: to a command, in place of the usual one. messages: the accepted ones."""

    def __init__(self, certificates=None, offers=("STARTTLS", "AUTH PLAIN LOGIN", "SIZE 1000000"), implicit=False):
        self.certificates, self.offers, self.implicit = certificates, offers, implicit
        self.certificate = "good"
        self.replies = {}
        self.messages = []
        self.commands = []
        super().__init__()

    def secured(self, connection):
        secure = self.certificates.context(self.certificate).wrap_socket(connection, server_side=True)
        self._open.append(secure)
        return secure

    def serve(self, connection, _number):
        connection = self.secured(connection) if self.implicit else connection
        file, is_secure = connection.makefile("rb"), self.implicit
        alive = self.reply(connection, "greeting", "220 mail.example ESMTP")
        while alive:
            line = file.readline().decode("latin-1").rstrip("\r\n")
            verb = line.split(" ")[0].lower().partition(":")[0]
            self.commands.append((line.lower() if verb in ("mail", "rcpt") else verb, is_secure))
            key = line.lower() if line.lower() in self.replies else verb
            alive = bool(verb) and self.reply(connection, key, self.answer(connection, file, line, verb, is_secure))
            if key in self.replies or not alive:
                continue
            if verb == "starttls":
                connection, is_secure = self.secured(connection), True
                file = connection.makefile("rb")
            elif verb == "data":
                alive = self.take(connection, file)

    def answer(self, connection, file, line, verb, is_secure):
        if verb == "ehlo":
            offers = [offer for offer in self.offers if not (is_secure and offer == "STARTTLS")]
            return "\r\n".join(["250-mail.example", *("250-" + offer for offer in offers), "250 HELP"])
        if verb == "auth":
            return self.sign_in(connection, file, line)
        return {"data": "354 go on", "quit": "221 bye", "starttls": "220 go on"}.get(verb, "250 2.0.0 ok")

    def take(self, connection, file):
        lines = list(iter(file.readline, b".\r\n"))
        if "message" not in self.replies:
            self.messages.append(b"".join(line[1:] if line.startswith(b".") else line for line in lines))
        return self.reply(connection, "message", "250 2.0.0 queued")

    def reply(self, connection, key, answer):
        found = self.replies.get(key, answer)
        if found is None:  # it closes the connection
            return False
        connection.sendall(found.encode("latin-1") + b"\r\n")
        return not found.startswith(("421", "221"))

    @staticmethod
    def sign_in(connection, file, line):
        words = line.split(" ")
        if words[1] == "PLAIN":
            user, password = base64.b64decode(words[2]).split(b"\0")[1:]
        else:
            user = base64.b64decode(words[2])
            connection.sendall(b"334 UGFzc3dvcmQ6\r\n")
            password = base64.b64decode(file.readline())
        good = (user, password) == (b"loginwatch", PASSWORD.encode())
        return "235 2.7.0 accepted" if good else "535 5.7.8 credentials invalid: " + password.decode()


@pytest.fixture
def mail():
    """A mail server without TLS."""
    server = MailServer(offers=("SIZE 1000000",))
    yield server
    server.close()


@pytest.fixture
def secure_mail(certificates):
    """A mail server with STARTTLS, where a user can sign in."""
    server = MailServer(certificates)
    yield server
    server.close()


def make(port=25, values=None, **more):
    settings = {
        "name": "mail", "kind": "email", "host": "127.0.0.1", "port": port, "tls": "none",
        "from": "loginwatch@example.com", "to": ["ops@example.com"],
    }  # fmt: skip
    settings.update(more)
    return channels.load(settings, configuration(**values or {}), None)


def secure(server, certificates, **more):
    settings = dict({"tls": "starttls", "user": "loginwatch", "password": PASSWORD}, **more)
    return make(server.port, {"ca_file": certificates.authority}, **settings)


def send(channel, *alerts):
    found = channel.send(channel.message(list(alerts), NOW), list(alerts))
    return channel.read(found).kind, str(found)


def read(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def parts_of(raw):
    """Return the plain text and the page of a message."""
    parts = [part.get_content().replace("\r\n", "\n") for part in read(raw).iter_parts()]
    assert [part.get_content_type() for part in read(raw).iter_parts()] == ["text/plain", "text/html"]
    return parts


class Page(html.parser.HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(page)
        self.text = "".join(self.texts)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.tags |= {f"{tag} {name}={value}" for name, value in attributes if name in ("href", "src", "style")}

    def handle_data(self, data):
        self.texts.append(data)


def test_a_message_says_all_that_is_known():
    raw = make(values=GREEN).message([alert(1, weights=["root"], notes=["a <note>"])], NOW)
    message = read(raw)
    assert message["Subject"] == "\U0001f7e0 root · Ada Lovelace as deploy on web-3"
    assert (message["From"], message["To"]) == ("loginwatch@example.com", "ops@example.com")
    assert message["Date"].datetime.timestamp() == NOW
    assert message["Message-ID"] == "<1763884801.123456-4242.web-3@example.com>"
    assert (message["Auto-Submitted"], message["Importance"]) == ("auto-generated", "high")
    assert message["In-Reply-To"] is None
    plain, page = parts_of(raw)
    assert plain.startswith("\U0001f7e0 root · Ada Lovelace as deploy on web-3\n\nNote: a <note>\n")
    assert "From: 203.0.113.50 port 45006\n" in plain
    assert plain.endswith("id: 1763884801.123456-4242\n")
    found = Page(page)
    assert "a <note>" in found.text
    assert found.tags == {"html", "head", "meta", "body", "p", "b", "table", "tr", "td"}
    # Only ASCII, in lines that every server relays (RFC 5322, 2.1.1).
    assert max(map(len, raw.split(b"\n"))) <= 200
    assert raw.decode("ascii")


def test_the_same_alert_has_the_same_id_and_a_digest_one_of_its_own():
    channel = make()
    ids = [
        read(channel.message(alerts, NOW))["Message-ID"] for alerts in ([LOGIN], [LOGIN, alert(2)], [alert(2), LOGIN])
    ]
    assert read(channel.message([LOGIN], NOW + 60))["Message-ID"] == ids[0]
    assert ids[1] == ids[2] != ids[0]


@pytest.mark.parametrize("about", ["login", "repeats"])
def test_a_follow_up_and_repeats_are_replies_to_the_message_of_their_login(about):
    channel = make()
    first = read(channel.message([LOGIN], NOW))
    later = alert(2, weights=[], about=about, follows=LOGIN["id"], was="Tunnel (no session)", notes=["a note"])
    reply = read(channel.message([later], NOW))
    assert reply["In-Reply-To"] == reply["References"] == first["Message-ID"] != reply["Message-ID"]


def test_a_digest_has_a_line_for_each_login():
    raw = make().message([alert(number, weights=[], user=f"<b>user{number}") for number in range(40)], NOW, dropped=2)
    plain, page = parts_of(raw)
    assert read(raw)["Subject"] == "40 logins on web-3"
    assert "2 older alerts were dropped" in plain
    assert "2 older alerts were dropped" in Page(page).text
    assert len([line for line in plain.splitlines() if " · id 17638848" in line]) == 40
    assert Page(page).tags == {"html", "head", "meta", "body", "p", "b"}


def test_links_are_the_only_links(monkeypatch):
    links = [("the <dashboard>", 'https://dash.example/?a=1&b="2"')]
    monkeypatch.setattr(wording, "links", lambda _alert, _configuration: links)
    plain, page = parts_of(make().message([LOGIN], NOW))
    assert 'the <dashboard>: https://dash.example/?a=1&b="2"' in plain
    found = Page(page)
    assert [tag for tag in found.tags if "=" in tag] == ['a href=https://dash.example/?a=1&b="2"']
    assert "the <dashboard>" in found.text


CHANNEL = make(values=GREEN)
HEADERS = [
    "Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
]  # fmt: skip


@given(user=CHOSEN, note=CHOSEN, name=CHOSEN, host=CHOSEN)
def test_no_text_that_strangers_choose_makes_a_header_a_part_or_a_tag(user, note, name, host):
    hostile = alert(1, weights=[], user=user, notes=[note], name=name, host=host)
    raw = CHANNEL.message([hostile], NOW)
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    names = re.findall(r"^([A-Za-z-]+):", head, re.MULTILINE)
    assert names == HEADERS
    assert all(re.match(r"[A-Za-z-]+: |[ \t]", line) for line in head.split("\r\n"))
    assert read(raw)["Subject"] == wording.headline(hostile, configuration(**GREEN)) or len(user + host) > 100
    assert re.match(r"<[A-Za-z0-9.-]+@example\.com>$", read(raw)["Message-ID"])
    plain, page = parts_of(raw)
    assert ": " + note in plain or not note or len(note) > 200
    assert Page(page).tags == {"html", "head", "meta", "body", "p", "b", "table", "tr", "td"}


@pytest.mark.parametrize(
    "address",
    ["a@example.com\nBcc: b@example.com", "a@example.com, b@example.com", "a b@example.com", "Ada <a@example.com>", "a",
     "a@example.com>", "\u00e9@example.com", "@example.com", "a@", "a@example.com\r", ""],
)  # fmt: skip
@pytest.mark.parametrize("name", ["from", "to"])
def test_an_address_that_is_more_than_one_is_refused(name, address):
    with pytest.raises(ConfigurationError):
        make(**{name: address if name == "from" else ["ops@example.com", address]})


def test_a_message_arrives(mail):
    channel = make(mail.port, to=["ops@example.com", "ada@example.com"])
    message = channel.message([LOGIN], NOW)
    found = channel.send(message, [LOGIN])
    assert (channel.read(found).kind, str(found)) == (DELIVERED, '250 "message: 2.0.0 queued"')
    assert mail.messages == [message]
    assert [command for command, _secure in mail.commands][1:] == [
        f"mail from:<loginwatch@example.com> size={len(message)}", "rcpt to:<ops@example.com>",
        "rcpt to:<ada@example.com>", "data",
    ]  # fmt: skip


def test_a_line_that_is_a_dot_ends_nothing(mail):
    channel = make(mail.port)
    sent = alert(1, weights=[], notes=["a", ".", "..b"])
    assert send(channel, sent)[0] == DELIVERED
    raw = channel.message([sent], NOW).replace(b"\r\n\r\n", b"\r\n\r\n.\r\n..\r\n", 1)
    channel.send(raw, [sent])
    assert mail.messages[1] == raw


def test_several_messages_use_one_connection_and_a_closed_one_is_made_anew(mail):
    channel = make(mail.port)
    for _time in range(3):
        assert send(channel, LOGIN)[0] == DELIVERED
    assert mail.connections == 1
    mail.replies["rset"] = "421 4.4.2 idle for too long"
    assert send(channel, LOGIN)[0] == DELIVERED
    assert (mail.connections, len(mail.messages)) == (2, 4)
    channel.close()
    assert send(channel, LOGIN)[0] == DELIVERED
    assert mail.connections == 3


def test_by_starttls_nothing_is_said_before_the_connection_is_safe(secure_mail, certificates):
    assert send(secure(secure_mail, certificates), LOGIN) == (DELIVERED, '250 "message: 2.0.0 queued"')
    assert [command for command, is_secure in secure_mail.commands if not is_secure] == ["ehlo", "starttls"]
    assert [command[:4] for command, is_secure in secure_mail.commands if is_secure][:3] == ["ehlo", "auth", "mail"]


def test_by_tls_nothing_is_said_before_the_connection_is_safe(certificates):
    server = MailServer(certificates, implicit=True)
    assert send(secure(server, certificates, tls="tls"), LOGIN)[0] == DELIVERED
    assert all(is_secure for _line, is_secure in server.commands)
    server.close()


@pytest.mark.parametrize("offers", ["AUTH LOGIN", "AUTH LOGIN PLAIN XOAUTH2", "AUTH=PLAIN"])
def test_a_user_signs_in_by_what_the_server_offers(certificates, offers):
    server = MailServer(certificates, offers=("STARTTLS", offers))
    assert send(secure(server, certificates), LOGIN)[0] == DELIVERED
    server.close()


def failing(channel, way="the way"):
    with pytest.raises(TransportError) as failed:
        send(channel, LOGIN)
    assert PASSWORD not in str(failed.value)
    assert str(failed.value).isprintable()
    return failed.value


@pytest.mark.parametrize("certificate", ["wrong-name", "expired", "unknown"])
@pytest.mark.parametrize("implicit", [False, True])
def test_a_certificate_that_is_not_right_ends_it(certificates, certificate, implicit):
    server = MailServer(certificates, implicit=implicit)
    server.certificate = certificate
    error = failing(secure(server, certificates, tls="tls" if implicit else "starttls"))
    assert str(error).startswith(f"the certificate or TLS of 127.0.0.1 port {server.port} is not accepted: ")
    assert not error.sent
    assert server.commands == [("ehlo", False), ("starttls", False)] * (not implicit)
    server.close()


@pytest.mark.parametrize(
    ("offers", "replies", "sentence"),
    [
        (("AUTH PLAIN",), {}, "offers no STARTTLS: set `tls: tls`"),
        (("STARTTLS",), {}, "offers no way to sign in with a password"),
        (("STARTTLS", "AUTH CRAM-MD5"), {}, "offers no way to sign in with a password"),
    ],
)
def test_a_server_that_takes_safety_away_gets_no_mail(certificates, offers, replies, sentence):
    server = MailServer(certificates, offers=offers)
    assert sentence in str(failing(secure(server, certificates)))
    assert "mail from" not in str(server.commands)
    server.close()


def test_starttls_that_is_refused_ends_it(secure_mail, certificates):
    secure_mail.replies["starttls"] = "454 4.7.0 TLS not available"
    kind, said = send(secure(secure_mail, certificates), LOGIN)
    assert (kind, said) == (FAILED, '454 "greeting: 4.7.0 TLS not available"')
    assert "auth" not in [command for command, _secure in secure_mail.commands]


def test_wrong_credentials_close_the_channel_and_show_no_password(secure_mail, certificates):
    channel = secure(secure_mail, certificates, password=ANOTHER)
    kind, said = send(channel, LOGIN)
    assert (kind, said.partition(":")[0]) == (CLOSED, '535 "sign-in')
    assert "mail from" not in str(secure_mail.commands)


def test_without_tls_mail_goes_to_this_host_only():
    with pytest.raises(ConfigurationError, match="needs TLS"):
        make(host="mail.example.com")
    assert make(values={"allow_http": True}, host="mail.example.com")
    assert make(host="localhost")
    assert make(host="::1")


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_is_that_of_the_way(tls, port):
    assert make(0, tls=tls)._port == port


@pytest.mark.parametrize(
    ("command", "reply", "kind", "said"),
    [
        ("greeting", "554 5.7.1 no service for you", CLOSED, "greeting: 5.7.1 no service for you"),
        ("greeting", "421 4.3.2 too busy", LIMITED, "greeting: 4.3.2 too busy"),
        ("greeting", "521 does not accept mail", CLOSED, "greeting: does not accept mail"),
        ("mail", "550 5.7.1 sender rejected", CLOSED, "sender: 5.7.1 sender rejected"),
        ("mail", "530 5.7.0 authentication required", CLOSED, "sender: 5.7.0 authentication required"),
        ("mail", "552 5.3.4 too big", REFUSED, "sender: 5.3.4 too big"),
        ("mail", "451 4.3.0 try later", LIMITED, "sender: 4.3.0 try later"),
        ("rcpt", "550 5.1.1 no such user", CLOSED, "recipients: 5.1.1 no such user"),
        ("rcpt", "450 4.7.1 greylisted", LIMITED, "recipients: 4.7.1 greylisted"),
        ("rcpt", "452 4.2.2 mailbox full", LIMITED, "recipients: 4.2.2 mailbox full"),
        ("rcpt", "550 5.4.5 daily quota exceeded", LIMITED, "recipients: 5.4.5 daily quota exceeded"),
        ("data", "554 5.5.1 no", REFUSED, "message: 5.5.1 no"),
        ("message", "554 5.7.1 looks like spam", REFUSED, "message: 5.7.1 looks like spam"),
        ("message", "550 5.7.1 policy", REFUSED, "message: 5.7.1 policy"),
        ("message", "451 4.3.0 try later", LIMITED, "message: 4.3.0 try later"),
        ("message", "452 4.3.1 disk full", LIMITED, "message: 4.3.1 disk full"),
        ("message", "454 4.7.0 what", FAILED, "message: 4.7.0 what"),
        ("mail", "500 what", FAILED, "sender: what"),
        ("mail", "354 what", FAILED, "sender: what"),
    ],
)
def test_a_reply_means_what_it_says_at_its_step(mail, command, reply, kind, said):
    mail.replies[command] = reply
    channel = make(mail.port)
    found = channel.send(channel.message([LOGIN], NOW), [LOGIN])
    verdict = channel.read(found)
    assert (verdict.kind, found.status, found.text) == (kind, int(reply[:3]), said)
    assert verdict.mend
    mail.replies.clear()
    assert send(channel, LOGIN)[0] == DELIVERED, "the next one is not held up"


def test_those_who_are_refused_do_not_take_it_from_the_others(mail, said):
    mail.replies["rcpt to:<gone@example.com>"] = "550 5.1.1 no such user"
    channel = make(mail.port, to=["gone@example.com", "ops@example.com"])
    for _time in range(2):
        assert send(channel, LOGIN)[0] == DELIVERED
    assert len(mail.messages) == 2
    ((_priority, sentence),) = said
    assert "refuses the recipient gone@example.com, who gets no alerts: 550" in sentence


def test_when_all_are_refused_one_that_is_asked_to_wait_decides(mail):
    mail.replies.update({"rcpt to:<gone@example.com>": "550 no such user", "rcpt to:<ops@example.com>": "450 later"})
    assert send(make(mail.port, to=["gone@example.com", "ops@example.com"]), LOGIN)[0] == LIMITED


@pytest.mark.parametrize(
    ("command", "sent"), [("greeting", False), ("ehlo", False), ("mail", False), ("data", True), ("message", True)]
)
def test_a_connection_that_ends_says_whether_the_message_may_be_there(mail, command, sent):
    mail.replies[command] = None
    assert failing(make(mail.port)).sent is sent


@pytest.mark.parametrize("greeting", ["SSH-2.0-OpenSSH_9.2p1", "HTTP/1.1 400 Bad Request", "\x00\xff" * 100])
def test_what_is_no_mail_server_gets_no_mail(mail, greeting):
    mail.replies["greeting"] = greeting
    channel = make(mail.port)
    message = channel.message([LOGIN], NOW)
    try:
        answer = channel.send(message, [LOGIN])
    except TransportError:
        answer = Answer(0, "")
    assert channel.read(answer).kind == FAILED
    assert mail.messages == []


def test_a_server_that_is_silent_ends_at_the_deadline(mail, monkeypatch):
    from ssh_login_notify.channels import email as module

    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.3)
    mail.reply = lambda *_words: time.sleep(3)
    began = time.monotonic()
    error = failing(make(mail.port))
    assert time.monotonic() - began < 2
    assert str(error) == f"no answer from 127.0.0.1 port {mail.port} in time"


def test_a_server_that_is_silent_at_a_step_is_no_closed_connection(mail, monkeypatch):
    from ssh_login_notify.channels import email as module

    monkeypatch.setattr(module, "STEP_SECONDS", 0.3)
    reply = mail.reply
    mail.reply = lambda connection, key, text: time.sleep(3) if key == "mail" else reply(connection, key, text)
    assert str(failing(make(mail.port))) == f"no answer from 127.0.0.1 port {mail.port} in time"


def test_nobody_there_is_said():
    server = MailServer()
    server.close()
    assert "Connection refused" in str(failing(make(server.port)))


def test_a_knock_signs_in_and_sends_nothing(secure_mail, certificates):
    channel = secure(secure_mail, certificates)
    assert channel.read(channel.knock()).kind == DELIVERED
    assert "noop" in str(secure_mail.commands)
    assert "mail from" not in str(secure_mail.commands)
    assert channel.read(secure(secure_mail, certificates, password=ANOTHER).knock()).kind == CLOSED


def test_the_notifiers_own_messages_are_mail():
    for sent in (own(TEST, []), own(SELF_CHECK, ["The PAM line is missing: run the role again."])):
        message = read(make().message([sent], NOW))
        assert message["Subject"]
        assert message["Importance"] is None


@pytest.mark.parametrize("text", ["message: 250 ok", "sender: x", "nothing", ""])
def test_an_answer_that_no_step_made_settles_nothing(text):
    assert make().read(Answer(0, text)).kind == FAILED


def test_the_deadline_is_that_of_the_transport():
    from ssh_login_notify.channels import email as module

    assert module.DEADLINE_SECONDS == transport.DEADLINE_SECONDS
