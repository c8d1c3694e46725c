"""The runtime's reasons for refusing a photo, as the service's errors."""

from __future__ import annotations

from chalicelib.domain import errors
from device.runtime.image_errors import InvalidImageError

BY_REASON: dict[str, type[errors.InvalidImageError]] = {
    "not-an-image": errors.NotAnImageError,
    "unsupported-image": errors.UnsupportedImageError,
    "truncated-image": errors.TruncatedImageError,
    "image-too-small": errors.ImageTooSmallError,
    "image-too-large": errors.ImageTooLargeError,
}


def domain_error(error: InvalidImageError) -> errors.InvalidImageError:
    return BY_REASON[error.reason](str(error))
