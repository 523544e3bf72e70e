# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to the webhook, over HTTPS. It follows no redirect, uses only the configured proxy, and limits the size
of an answer.

The URL is a secret: it appears in the request line only, never in an exception or a log.
"""

import contextlib

# http.client imports encodings.idna late, when root is dropped and the service user may not be able to read the file.
import encodings.idna  # noqa: F401  # pylint: disable=unused-import
import http.client
import signal
import socket
import ssl
import time
from base64 import b64encode
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from . import VERSION, trust
from .config import Configuration, ConfigurationError
from .settings import is_loopback
from .text import plain_or_quoted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterator, Optional, Tuple
    from urllib.parse import SplitResult

# The timeout of each step: connecting to an address, the TLS handshake, each read.
STEP_SECONDS = 15
# The timeout of a request, so that an answer that arrives in tiny pieces does not take forever.
DEADLINE_SECONDS = 60
# The same for a ping, which delays the alerts behind it.
PING_DEADLINE_SECONDS = 20
# The timeout for all addresses of a host together, so that a working one after dead ones is tried before the deadline.
CONNECT_SECONDS = 30
# The interval at which the deadline's signal is repeated, in case something caught the first exception.
DEADLINE_REPEAT_SECONDS = 1
# The part of an answer that is read. Slack answers with one word.
LARGEST_ANSWER_BYTES = 4096
# Characters of an answer that are shown, so that a message that quotes it is not truncated.
LONGEST_WORDS = 200
# How http.client reports that a proxy opens no tunnel (HTTPConnection._tunnel).
REFUSED_TUNNEL = "Tunnel connection failed: "
# A proxy asks for a user and a password, or refuses them (RFC 9110, 15.5.8). tinyproxy answers 401 if they are wrong.
REFUSED_PASSWORD = {"407": "407 Proxy Authentication Required", "401": "401 Unauthorized"}
# Parts of the errors with which only OpenSSL's strict mode refuses authorities and certificates (x509_txt.c).
STRICT_REASONS = ("not marked critical", "marked critical", "key usage extension", "key identifier", "empty")
TOO_STRICT = (
    "; this host's Python is strict about the system's authorities: set ssh_login_notify_ca_file to the file of this"
    " authority"
)
HTTPS_PORT = 443
HTTP_PORT = 80


class Answer:
    """The answer of the webhook's host: the HTTP status, the text of the body, and the Retry-After header if any."""

    def __init__(self, status: int, text: str, retry_after: "Optional[str]" = None) -> None:
        self.status = status
        self.text = text
        self.retry_after = retry_after

    @property
    def words(self) -> str:
        """Return the body in readable form: a plain word, as Slack answers, or quoted. It may come from anywhere."""
        return plain_or_quoted(self.text, longest=LONGEST_WORDS) if self.text else ""

    def __str__(self) -> str:
        return f"{self.status} {self.words}".strip()


class TransportError(Exception):
    """No answer came. The message says why, in one sentence without the URL.

    sent: whether the host may have received the request and acted on it
    """

    def __init__(self, sentence: str, sent: bool = False) -> None:
        super().__init__(sentence)
        self.sent = sent


class TimeIsUp(BaseException):
    """The deadline has passed. Not an Exception: libraries catch those, as socket.create_connection does, and go on."""


class Transport:
    """A persistent connection to the webhook's host."""

    def __init__(
        self,
        configuration: Configuration,
        url: str,
        tls: "Optional[ssl.SSLContext]" = None,
        largest_answer: int = LARGEST_ANSWER_BYTES,
    ) -> None:
        """Prepare TLS. Raise ConfigurationError if the CA file can't be used.

        url: the address, a secret. tls: a context to reuse. largest_answer: the bytes of an answer that are read
        """
        parts = urlsplit(url)
        self._url = url
        self._configuration = configuration
        self._largest_answer = largest_answer
        self._host = parts.hostname or ""
        self._port = parts.port or (HTTPS_PORT if parts.scheme == "https" else HTTP_PORT)
        self._target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self._proxy = urlsplit(configuration.proxy) if configuration.proxy and not is_loopback(self._host) else None
        self._tls = (tls or tls_of(configuration)) if parts.scheme == "https" else None
        self._connection: Optional[http.client.HTTPConnection] = None
        self._sent = False

    def to(self, url: str) -> "Transport":
        """Return a transport to another URL, with the same proxy. It also trusts the system's authorities."""
        tls = self._tls
        if tls and self._configuration.ca_file:
            # Only root may be able to read the file, and root is already dropped.
            tls = trust.tls_context(authorities=tls.get_ca_certs(binary_form=True))
        return Transport(self._configuration, url, tls)

    def beside(self, name: str) -> "Transport":
        """Return a transport to a name relative to the URL, on the same host, with the same proxy and authorities."""
        return Transport(self._configuration, urljoin(self._url, name), self._tls, self._largest_answer)

    def post(self, body: bytes, headers: "Optional[Dict[str, str]]" = None) -> Answer:
        """Send a JSON body and return the answer. Raise TransportError if none comes.

        headers: headers to add, or to replace those of every JSON request
        """
        return self._exchange("POST", body, headers or {}, DEADLINE_SECONDS)

    def get(self, headers: "Optional[Dict[str, str]]" = None) -> Answer:
        """Send a GET request and return the answer. Raise TransportError if none comes."""
        return self._exchange("GET", None, headers or {}, PING_DEADLINE_SECONDS)

    def _exchange(self, method: str, body: "Optional[bytes]", headers: "Dict[str, str]", seconds: int) -> Answer:
        self._sent = False
        why: Exception
        try:
            with deadline(seconds):
                send = self._request_again if self._connection else self._request
                return send(method, body, headers)
        except (OSError, http.client.HTTPException, ssl.CertificateError, UnicodeError) as error:
            why = error
        except TimeIsUp:
            why = socket.timeout()
        self.close()
        raise TransportError(self._why(why), self._sent) from None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _request_again(self, method: str, body: "Optional[bytes]", headers: "Dict[str, str]") -> Answer:
        try:
            return self._request(method, body, headers)
        except (ConnectionError, ssl.SSLEOFError):
            # The host has closed the persistent connection, as it can between two requests (RFC 9112, 9.3).
            self.close()
            return self._request(method, body, headers)

    def _request(self, method: str, body: "Optional[bytes]", headers: "Dict[str, str]") -> Answer:
        if self._connection is None:
            self._connection = self._connection_to_host()
            self._connection.connect()
        sent = {"User-Agent": "ssh-login-notify/" + VERSION}
        if body is not None:
            sent["Content-Type"] = "application/json; charset=utf-8"
        self._sent = True
        self._connection.request(method, self._target, body, dict(sent, **headers))
        response = self._connection.getresponse()
        raw = response.read(self._largest_answer)
        if response.length and len(raw) < self._largest_answer:
            raise http.client.IncompleteRead(raw, response.length)
        text = raw.decode("utf-8", "backslashreplace").strip()
        retry_after = response.getheader("Retry-After")
        if response.will_close or not response.isclosed():
            self.close()  # the answer is longer than any of Slack's: the rest is not read
        return Answer(response.status, text, retry_after)

    def _connection_to_host(self) -> http.client.HTTPConnection:
        host, port = (self._proxy.hostname or "", self._proxy.port) if self._proxy else (self._host, self._port)
        connection = (
            http.client.HTTPSConnection(host, port, timeout=STEP_SECONDS, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(host, port, timeout=STEP_SECONDS)
        )
        # http.client has no public interface for this. The attribute is the same from Python 3.5 to 3.14.
        connection._create_connection = connect  # type: ignore[attr-defined]
        if self._proxy:
            # CONNECT also for plain http://, so that the proxy only forwards.
            connection.set_tunnel(self._host, self._port, _authorization(self._proxy))
        return connection

    def _why(self, error: Exception) -> str:
        """Return what failed, only as types and the system's own words: an exception's text could quote the URL."""
        way = f"{self._host} port {self._port}"
        if self._proxy:
            way += f" through the proxy {self._proxy.hostname} port {self._proxy.port}"
        found = failure(error, way, self._configuration)
        if found:
            return found
        if isinstance(error, http.client.IncompleteRead):
            return f"the answer of {way} broke off"
        if isinstance(error, http.client.HTTPException):
            return f"{way} did not answer in HTTP ({type(error).__name__})"
        what = type(error).__name__
        if self._proxy and str(error).startswith(REFUSED_TUNNEL):
            return f"no connection to {way} {_refusal(self._proxy, str(error)[len(REFUSED_TUNNEL) :])}"
        if isinstance(error, OSError):
            what = plain_or_quoted(str(error), longest=LONGEST_WORDS)  # this may include a proxy's own text
        return f"no connection to {way} ({what})"


def failure(error: Exception, way: str, configuration: Configuration) -> "Optional[str]":
    """Return what failed on the way to a host, only in the system's own words; None if the system has none.

    way: the host and its port, and the proxy if there is one
    """
    if isinstance(error, (ssl.SSLError, ssl.CertificateError)):  # separate types up to Python 3.6
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        reason = printable(reason.replace("_", " ").lower() if reason.isupper() else reason)
        mend = TOO_STRICT if not configuration.ca_file and _is_too_strict(error) else ""
        return f"the certificate or TLS of {way} is not accepted: {reason}{mend}"
    if isinstance(error, socket.timeout):
        return f"no answer from {way} in time"
    if isinstance(error, socket.gaierror):
        return f"the name of {way} can't be resolved: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"no connection to {way}: {error.strerror}"
    return None


def _is_too_strict(error: Exception) -> bool:
    message = str(getattr(error, "verify_message", "")).lower()
    return any(reason in message for reason in STRICT_REASONS)


def _authorization(proxy: "SplitResult") -> "Dict[str, str]":
    """Return the header for a proxy with a user and a password (RFC 7617). Its URL has them percent-encoded."""
    if proxy.username is None:
        return {}
    credentials = unquote_to_bytes(proxy.username) + b":" + unquote_to_bytes(proxy.password or "")
    return {"Proxy-Authorization": "Basic " + b64encode(credentials).decode("ascii")}


def _refusal(proxy: "SplitResult", answer: str) -> str:
    """Return why a proxy opens no tunnel, and what to do. The answer is not shown if the proxy got a password."""
    status = answer[:3]
    if status not in REFUSED_PASSWORD:
        words = status if proxy.username is not None else answer
        return f"({plain_or_quoted(REFUSED_TUNNEL + words, longest=LONGEST_WORDS)})"
    if proxy.username is None:
        mend = "the proxy asks for a user and a password: set ssh_login_notify_proxy to http://user:password@host:port"
    else:
        mend = "the proxy refuses the user or the password: correct them in ssh_login_notify_proxy"
    return f"({REFUSED_PASSWORD[status]}): {mend}"


def tls_of(configuration: Configuration) -> ssl.SSLContext:
    """Return a TLS context for the configuration. Raise ConfigurationError if its CA file can't be used."""
    try:
        return trust.tls_context(configuration.ca_file)
    except OSError as error:
        why = "not PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(
            f"the CA file {configuration.ca_file} can't be used ({why}): "
            "correct ssh_login_notify_ca_file and run the role again"
        ) from None


def connect(address: "Tuple[str, int]", timeout: float, _source: "Any" = None) -> socket.socket:
    """Connect to the first address of a host that accepts, as socket.create_connection does. Raise OSError.

    The addresses share the time: each gets an equal part of the rest, and at most the timeout.
    """
    host, port = address
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    until = time.monotonic() + CONNECT_SECONDS
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
    for number, (family, kind, protocol, _name, target) in enumerate(found):
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(max(0.1, min(timeout, (until - time.monotonic()) / (len(found) - number))))
            connection.connect(target)
            connection.settimeout(timeout)
            return connection
        except OSError as error:
            failure = error
            if connection:
                connection.close()
    raise failure


@contextlib.contextmanager
def deadline(seconds: float) -> "Iterator[None]":
    """Raise TimeIsUp in the block after this many seconds, and repeatedly while the block continues."""
    is_over = False

    def give_up(_number: int, _frame: "Optional[FrameType]") -> None:
        if not is_over:
            raise TimeIsUp

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, DEADLINE_REPEAT_SECONDS)
            yield
        finally:
            is_over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
