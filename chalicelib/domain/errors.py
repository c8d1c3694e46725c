"""What can go wrong, as the service says it.

BinsightError
+-- RefusedRequestError            the caller can mend it
|   +-- MalformedBodyError, InvalidFieldError, InvalidQueryError, UnsupportedMediaTypeError, PayloadTooLargeError
|   +-- InvalidImageError          EmptyImageError, NotAnImageError, UnsupportedImageError, TruncatedImageError,
|   |                              ImageTooSmallError, ImageTooLargeError
|   +-- InvalidArtifactError
|   +-- MissingKeyError, InvalidKeyError, ScopeError, RateLimitedError
|   +-- MethodNotAllowedError
|   +-- InvalidRequestKeyError, RequestKeyReusedError
+-- NotFoundError                  RouteNotFoundError, ModelNotFoundError, KeyNotFoundError, UploadNotFoundError,
|                                  DeploymentNotFoundError, RecordNotFoundError, BlobNotFoundError,
|                                  NoPromotedModelError, JobNotFoundError, DefinitionNotFoundError
+-- ConflictError                  WriteConflictError, IllegalTransitionError, UploadUsedError, TaskMismatchError,
|                                  JobMismatchError, JobRecordedError, OverBudgetError, BelowGateError, ModelInUseError,
|                                  RequestRunningError
+-- UnavailableError               StoreUnavailableError, ModelUnavailableError, ModelTakenBackError,
|                                  EndpointFailedError, EndpointTimeoutError, EndpointThrottledError,
|                                  RunnerUnavailableError, ServerBusyError
+-- ProofFailedError
"""

from __future__ import annotations

from typing import Any


class BinsightError(Exception):
    """Root of everything the service refuses or fails at; `detail` is one sentence that says what to do."""

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class RefusedRequestError(BinsightError):
    """The request is at fault; sending it again unchanged will not help."""


class MalformedBodyError(RefusedRequestError):
    """The body cannot be parsed at all."""


class InvalidFieldError(RefusedRequestError):
    """A body that parses but does not fit its schema; `errors` lists field and reason."""


class InvalidQueryError(RefusedRequestError):
    """A query parameter or cursor that does not fit."""


class UnsupportedMediaTypeError(RefusedRequestError):
    """The route does not read bodies of this kind."""


class PayloadTooLargeError(RefusedRequestError):
    """More bytes than the route takes; the detail names POST /uploads."""


class InvalidImageError(RefusedRequestError):
    """The bytes are not a photo that can be used."""


class EmptyImageError(InvalidImageError):
    """0 bytes."""


class NotAnImageError(InvalidImageError):
    """The signature is that of no image format."""


class UnsupportedImageError(InvalidImageError):
    """An image, in a format that is not read here."""


class TruncatedImageError(InvalidImageError):
    """The file breaks off or is corrupt."""


class ImageTooSmallError(InvalidImageError):
    """Under 32 pixels a side."""


class ImageTooLargeError(InvalidImageError):
    """More pixels than are ever decoded."""


class InvalidArtifactError(RefusedRequestError):
    """A model.tar.gz whose digest, manifest or files do not fit."""


class MissingKeyError(RefusedRequestError):
    """No bearer key."""


class InvalidKeyError(RefusedRequestError):
    """A bearer key that is not known or was revoked."""


class ScopeError(RefusedRequestError):
    """A valid key that may not call this route."""


class RateLimitedError(RefusedRequestError):
    """Too many requests; member `retry_after_s`."""


class MethodNotAllowedError(RefusedRequestError):
    """The path exists, the method does not; member `allow`."""


class InvalidRequestKeyError(RefusedRequestError):
    """An Idempotency-Key that is not 1 to 128 plain characters."""


class RequestKeyReusedError(RefusedRequestError):
    """An Idempotency-Key that came before with another body."""


class NotFoundError(BinsightError):
    """What was named does not exist."""


class RouteNotFoundError(NotFoundError):
    """No route has this path."""


class ModelNotFoundError(NotFoundError):
    """No model has this id."""


class KeyNotFoundError(NotFoundError):
    """No key has this id."""


class UploadNotFoundError(NotFoundError):
    """No upload has this id, or it has expired."""


class DeploymentNotFoundError(NotFoundError):
    """No deployment has this id."""


class RecordNotFoundError(NotFoundError):
    """The store holds nothing under this key."""


class BlobNotFoundError(NotFoundError):
    """The artifact store holds nothing under this name."""


class JobNotFoundError(NotFoundError):
    """The runner knows no training job or evaluation of this name."""


class DefinitionNotFoundError(NotFoundError):
    """There is no job definition of this name."""


class NoPromotedModelError(NotFoundError):
    """The task has no promoted model yet."""


class ConflictError(BinsightError):
    """The request does not fit the state that things are in."""


class WriteConflictError(ConflictError):
    """Somebody else wrote first; read again and decide again."""


class IllegalTransitionError(ConflictError):
    """A move that the present state does not allow; member `legal` lists those it does."""


class UploadUsedError(ConflictError):
    """An upload is written once and used once."""


class TaskMismatchError(ConflictError):
    """A model of another task than the route's."""


class JobMismatchError(ConflictError):
    """A training job whose algorithm gives no model for the task."""


class JobRecordedError(ConflictError):
    """A training job that a model was recorded from already; member `model`."""


class OverBudgetError(ConflictError):
    """More than the budget allows; member `price`."""


class BelowGateError(ConflictError):
    """A model below its task's gate; member `findings` lists what it misses."""


class ModelInUseError(ConflictError):
    """A model that is at work cannot be retired; member `live` says where."""


class RequestRunningError(ConflictError):
    """A request with the same Idempotency-Key has not been answered yet."""


class UnavailableError(BinsightError):
    """Nothing is wrong with the request; member `retry_after_s` says when to try again."""


class StoreUnavailableError(UnavailableError):
    """The store does not answer."""


class ModelUnavailableError(UnavailableError):
    """A model is promoted and cannot answer now."""


class ModelTakenBackError(UnavailableError):
    """The promoted model was taken back, and there was none before it."""


class EndpointThrottledError(UnavailableError):
    """The endpoint has no capacity left at this moment."""


class EndpointFailedError(UnavailableError):
    """The endpoint answered with an error, or with something that is not an answer."""


class EndpointTimeoutError(UnavailableError):
    """The endpoint did not answer inside the deadline."""


class RunnerUnavailableError(UnavailableError):
    """What runs training jobs does not answer, or has no room for another."""


class ServerBusyError(UnavailableError):
    """The embedded server has no memory left for another large request at this moment."""


class ProofFailedError(BinsightError):
    """The endpoint does not answer as the model does."""
