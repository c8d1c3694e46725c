"""What is wrong with an image.

InvalidImageError
 +- NotAnImageError        not-an-image
 +- UnsupportedImageError  unsupported-image
 +- TruncatedImageError    truncated-image
 +- ImageTooLargeError     image-too-large
 +- ImageTooSmallError     image-too-small
"""

from __future__ import annotations


class InvalidImageError(ValueError):
    """The message says what to send instead; reason is stable and may be shown to programs."""

    reason = "invalid-image"


class NotAnImageError(InvalidImageError):
    reason = "not-an-image"


class UnsupportedImageError(InvalidImageError):
    reason = "unsupported-image"


class TruncatedImageError(InvalidImageError):
    """The image ends too early, or is damaged inside."""

    reason = "truncated-image"


class ImageTooLargeError(InvalidImageError):
    reason = "image-too-large"


class ImageTooSmallError(InvalidImageError):
    reason = "image-too-small"
