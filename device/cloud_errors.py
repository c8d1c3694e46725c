"""What can go wrong between a camera and the service.

CloudError
+-- UnreachableError        nobody answered: no network, no route, a cut connection, a time-out
+-- UntrustedError          whoever answered is not the service: the certificate does not fit
+-- CaptivePortalError      somebody between us and the service answered: a page, a redirect
+-- BusyError               429 or 5xx; `retry_after_s`
+-- RevokedKeyError         401
+-- RefusedError            any other 4xx; `status` and `kind`, the problem's own name
"""

from __future__ import annotations

from typing import Optional


class CloudError(Exception):
    """The service could not be asked, or refused; the camera goes on as it is."""


class UnreachableError(CloudError):
    """Nobody answered."""


class UntrustedError(CloudError):
    """Whoever answered is not the service."""


class CaptivePortalError(CloudError):
    """What answered does not speak as the service does."""


class BusyError(CloudError):
    """To be asked again later."""

    def __init__(self, detail: str, retry_after_s: Optional[float]) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class RevokedKeyError(CloudError):
    """The key is not, or no longer, valid. It may be valid again."""


class RefusedError(CloudError):
    """Asking again unchanged will not help."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__("%d %s: %s" % (status, kind, detail))
        self.status = status
        self.kind = kind
