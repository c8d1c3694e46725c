"""What can go wrong with promotions, fleets and cameras; the tree of all errors stands in errors.py."""

from __future__ import annotations

from chalicelib.domain.errors import ConflictError, NotFoundError, RefusedRequestError


class DeviceNotFoundError(NotFoundError):
    """No device has this id."""


class FleetNotFoundError(NotFoundError):
    """No fleet has this name."""


class PhotoNotFoundError(NotFoundError):
    """No golden photo has this id."""


class AnotherDeviceError(RefusedRequestError):
    """A device key on the path of another device."""


class InvalidPlanError(RefusedRequestError):
    """A promotion that cannot be carried out as asked; member `field` names what does not fit."""


class DeviceExistsError(ConflictError):
    """The id is taken."""


class CodeUsedUpError(ConflictError):
    """An enrolment code that has enrolled as many devices as it may."""


class EmptyFleetError(ConflictError):
    """A fleet without devices cannot be promoted to."""


class NotDistinguishableError(ConflictError):
    """Too few golden photos tell the new model from the one it replaces; members `photos` and `needed`."""


class QuotaExceededError(ConflictError):
    """The account has no room for another endpoint; a lack, not a failure."""


class StaleBootError(ConflictError):
    """A report of a start of the agent that has ended."""


class ClonedDeviceError(ConflictError):
    """Two cameras speak with one key."""


class SequenceBackwardsError(ConflictError):
    """A report older than one that was heard; member `expected`."""


class ForeignNonceError(ConflictError):
    """Answers to another promotion's, boot's or model's golden photos."""


class NoArtifactError(ConflictError):
    """The device's present target is its factory model: there is nothing to fetch."""
