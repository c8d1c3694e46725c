"""HTTPS with the standard library: certificates always checked, no redirect followed, no proxy asked."""

from __future__ import annotations

import http.client
import re
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

_NOT_IN_ADDRESS = re.compile(r"[\s@?#]")
_PORTS = {"https": 443, "http": 80}
ADDRESS = "must begin with https:// (http:// on this machine only) and hold a host, without user and password"

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
    """Keys travel over TLS, or stay on this machine. A password in the address would stand in every log."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _NOT_TLS):
        return False
    return _port_of(parts) is not None and bool(parts.hostname) and not _NOT_IN_ADDRESS.search(url)


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
        """Raises: UntrustedError when the CA file cannot be used; UnreachableError when there can be no such host."""
        parts = urlsplit(url)
        # Always with a port: http.client takes the end of an IPv6 address for one.
        host, port = parts.hostname or "", _port_of(parts)
        if port is None:
            raise UnreachableError("%s is no address" % _place(url))
        try:
            if parts.scheme != "https":
                return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            context = tls_context(self._ca_file)
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
        except http.client.InvalidURL as error:
            raise UnreachableError("%s is no address" % _place(url)) from error
        except (OSError, ValueError) as error:
            raise UntrustedError("the CA file %s cannot be used: %s" % (self._ca_file, error)) from error

    def send(
        self, connection: Connection, method: str, url: str, body: Optional[bytes], headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Raises: UnreachableError, UntrustedError."""
        try:
            connection.request(method, _target(urlsplit(url)), body, dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _as_ours(error, url) from error
        except ValueError:
            # Python's own message would show the header, and with it the key.
            raise UnreachableError(
                "%s cannot be asked: a letter in address or key is none of HTTP's" % _place(url)
            ) from None


def lower_headers(response: http.client.HTTPResponse) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return "%s?%s" % (path, parts.query) if parts.query else path


def _port_of(parts: SplitResult) -> Optional[int]:
    """None when what stands there is none."""
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _place(url: str) -> str:
    """The address without user, password and query, which may be signed."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _as_ours(error: Exception, url: str) -> Exception:
    place = _place(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = next((hint for word, hint in _HINTS if word in error.verify_message), "")
        return UntrustedError("the certificate of %s does not fit: %s%s" % (place, error.verify_message, hint))
    if isinstance(error, socket.timeout):
        return UnreachableError("%s does not answer in time" % place)
    if isinstance(error, (UnreachableError, UntrustedError)):
        return error
    return UnreachableError("%s cannot be reached: %s" % (place, error or type(error).__name__))
