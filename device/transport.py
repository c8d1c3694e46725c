"""HTTPS with the standard library: certificates always checked, no redirect followed, no proxy asked."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from typing import Dict, Mapping, NamedTuple, Optional, Union
from urllib.parse import SplitResult, urlsplit

from device.cloud_errors import UnreachableError, UntrustedError

TIMEOUT_S = 30.0
# Before this code was written no clock was right: 2026-01-01.
EARLIEST_S = 1767225600.0
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the chain and the name are checked, the dates are not.
_NO_CHECK_TIME = 0x200000
_NOT_TLS = ("127.0.0.1", "localhost", "::1")

_HINTS = (
    (
        "issuer",
        "; set ca_file to your own authority's file, or to ca-bundle.pem where the system's authorities are old",
    ),
    ("self", "; set ca_file to your own authority's file"),
    ("valid", "; or is this camera's clock wrong?"),
)
Connection = Union[http.client.HTTPConnection, http.client.HTTPSConnection]


class Answer(NamedTuple):
    """headers: by lower-case name."""

    status: int
    headers: Dict[str, str]
    body: bytes


def tls_context(ca_file: Optional[str], now_s: Optional[float] = None) -> ssl.SSLContext:
    """ca_file: PEM, the only authorities that are trusted; None trusts the system's.

    A camera without a battery-backed clock begins in 1970 and can ask nobody for the time: until its clock can be
    right, the dates in certificates are not looked at. Raises: OSError, ssl.SSLError for a file that is no PEM.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if (time.time() if now_s is None else now_s) < EARLIEST_S:
        context.verify_flags |= _NO_CHECK_TIME
    return context


def is_allowed(url: str) -> bool:
    """Keys travel over TLS, or stay on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _NOT_TLS)


class Transport:
    """One connection for each request: a camera asks seldom, and a connection that idles gets cut in silence."""

    def __init__(self, ca_file: Optional[str] = None, timeout_s: float = TIMEOUT_S) -> None:
        self._ca_file = ca_file
        self._timeout_s = timeout_s

    def ask(self, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]) -> Answer:
        """Raises: UnreachableError, UntrustedError."""
        connection = self.connect(url)
        try:
            response = self.send(connection, method, url, body, headers)
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _as_ours(error, url) from error
        finally:
            connection.close()
        return Answer(response.status, lower_headers(response), data)

    def connect(self, url: str) -> Connection:
        """Raises: UntrustedError when the CA file cannot be used."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)
        try:
            context = tls_context(self._ca_file)
        except (OSError, ValueError) as error:
            raise UntrustedError("the CA file %s cannot be used: %s" % (self._ca_file, error)) from error
        return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout_s, context=context)

    def send(
        self, connection: Connection, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Raises: UnreachableError, UntrustedError."""
        try:
            connection.request(method, _target(urlsplit(url)), body, dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _as_ours(error, url) from error


def lower_headers(response: http.client.HTTPResponse) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return "%s?%s" % (path, parts.query) if parts.query else path


def _as_ours(error: Exception, url: str) -> Exception:
    """The address without its query, which may be signed."""
    place = urlsplit(url).netloc
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = next((hint for word, hint in _HINTS if word in error.verify_message), "")
        return UntrustedError("the certificate of %s does not fit: %s%s" % (place, error.verify_message, hint))
    if isinstance(error, socket.timeout):
        return UnreachableError("%s does not answer in time" % place)
    if isinstance(error, (UnreachableError, UntrustedError)):
        return error
    return UnreachableError("%s cannot be reached: %s" % (place, error or type(error).__name__))
