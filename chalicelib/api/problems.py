"""RFC 9457 problem+json: the one table from what went wrong to what the caller is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.domain import errors, fleet_errors

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:binsight:problem:"


@dataclass(frozen=True)
class ProblemKind:
    status: int
    slug: str
    title: str


class InternalError(errors.BinsightError):
    """A fault of ours; the log has the request id."""


PROBLEMS: dict[type[errors.BinsightError], ProblemKind] = {
    errors.MalformedBodyError: ProblemKind(400, "malformed-body", "The body cannot be read"),
    errors.InvalidFieldError: ProblemKind(422, "invalid-field", "A field does not fit"),
    errors.InvalidQueryError: ProblemKind(400, "invalid-query", "A query parameter does not fit"),
    errors.UnsupportedMediaTypeError: ProblemKind(
        415, "unsupported-media-type", "Bodies of this kind are not read here"
    ),
    errors.PayloadTooLargeError: ProblemKind(413, "payload-too-large", "The body is too large"),
    errors.EmptyImageError: ProblemKind(400, "empty-image", "The image has no bytes"),
    errors.NotAnImageError: ProblemKind(400, "not-an-image", "This is not an image"),
    errors.UnsupportedImageError: ProblemKind(415, "unsupported-image", "This image format is not read"),
    errors.TruncatedImageError: ProblemKind(400, "truncated-image", "The image breaks off"),
    errors.ImageTooSmallError: ProblemKind(422, "image-too-small", "The image is too small"),
    errors.ImageTooLargeError: ProblemKind(413, "image-too-large", "The image has too many pixels"),
    errors.InvalidArtifactError: ProblemKind(422, "invalid-artifact", "The artifact cannot be used"),
    errors.MissingKeyError: ProblemKind(401, "missing-key", "A key is needed"),
    errors.InvalidKeyError: ProblemKind(401, "invalid-key", "This key is not valid"),
    errors.ScopeError: ProblemKind(403, "missing-scope", "This key may not do that"),
    errors.RateLimitedError: ProblemKind(429, "rate-limited", "Too many requests"),
    errors.MethodNotAllowedError: ProblemKind(405, "method-not-allowed", "This path does not take that method"),
    errors.RouteNotFoundError: ProblemKind(404, "unknown-path", "There is no such path"),
    errors.ModelNotFoundError: ProblemKind(404, "unknown-model", "There is no such model"),
    errors.KeyNotFoundError: ProblemKind(404, "unknown-key", "There is no such key"),
    errors.UploadNotFoundError: ProblemKind(404, "unknown-upload", "There is no such upload"),
    errors.DeploymentNotFoundError: ProblemKind(404, "unknown-deployment", "There is no such deployment"),
    errors.RecordNotFoundError: ProblemKind(404, "not-found", "There is no such thing"),
    errors.BlobNotFoundError: ProblemKind(404, "unknown-file", "There is no such file"),
    errors.JobNotFoundError: ProblemKind(404, "unknown-job", "There is no such training job"),
    errors.DefinitionNotFoundError: ProblemKind(404, "unknown-definition", "There is no such job definition"),
    errors.NoPromotedModelError: ProblemKind(404, "no-promoted-model", "No model is promoted for this task"),
    errors.WriteConflictError: ProblemKind(409, "write-conflict", "Somebody else changed this first"),
    errors.IllegalTransitionError: ProblemKind(409, "illegal-transition", "The present state does not allow that"),
    errors.UploadUsedError: ProblemKind(409, "upload-used", "This upload was used already"),
    errors.TaskMismatchError: ProblemKind(409, "task-mismatch", "The model is of another task"),
    errors.JobMismatchError: ProblemKind(409, "job-mismatch", "The job trained something else"),
    errors.JobRecordedError: ProblemKind(409, "job-recorded", "This job has a model already"),
    errors.OverBudgetError: ProblemKind(409, "over-budget", "This may cost more than the budget"),
    errors.BelowGateError: ProblemKind(409, "below-gate", "The model does not pass its gate"),
    errors.ModelInUseError: ProblemKind(409, "model-in-use", "The model is live"),
    errors.RequestRunningError: ProblemKind(409, "request-running", "This request is still being answered"),
    errors.InvalidRequestKeyError: ProblemKind(400, "invalid-idempotency-key", "This Idempotency-Key does not fit"),
    errors.RequestKeyReusedError: ProblemKind(422, "idempotency-key-reused", "The key came with another request"),
    fleet_errors.DeviceNotFoundError: ProblemKind(404, "unknown-device", "There is no such device"),
    fleet_errors.FleetNotFoundError: ProblemKind(404, "unknown-fleet", "There is no such fleet"),
    fleet_errors.PhotoNotFoundError: ProblemKind(404, "unknown-photo", "There is no such golden photo"),
    fleet_errors.AnotherDeviceError: ProblemKind(403, "another-device", "This key is another device's"),
    fleet_errors.InvalidPlanError: ProblemKind(422, "invalid-plan", "The promotion cannot be carried out as asked"),
    fleet_errors.DeviceExistsError: ProblemKind(409, "device-exists", "This id is taken"),
    fleet_errors.CodeUsedUpError: ProblemKind(409, "enrolment-code-used-up", "The enrolment code is used up"),
    fleet_errors.EmptyFleetError: ProblemKind(409, "empty-fleet", "The fleet has no devices"),
    fleet_errors.NotDistinguishableError: ProblemKind(
        409, "not-distinguishable", "Golden photos do not tell the models apart"
    ),
    fleet_errors.QuotaExceededError: ProblemKind(409, "quota-exceeded", "The account has no room for it"),
    fleet_errors.StaleBootError: ProblemKind(409, "stale-boot", "This start of the agent has ended"),
    fleet_errors.ClonedDeviceError: ProblemKind(409, "cloned-device", "Two cameras use one key"),
    fleet_errors.SequenceBackwardsError: ProblemKind(409, "sequence-backwards", "A later report was heard already"),
    fleet_errors.ForeignNonceError: ProblemKind(409, "foreign-nonce", "These answers belong to another question"),
    fleet_errors.NoArtifactError: ProblemKind(404, "no-artifact", "Nothing is promoted to this device"),
    errors.StoreUnavailableError: ProblemKind(503, "store-unavailable", "The store does not answer"),
    errors.ModelUnavailableError: ProblemKind(503, "model-unavailable", "The promoted model cannot answer now"),
    errors.ModelTakenBackError: ProblemKind(503, "model-taken-back", "The promoted model was taken back"),
    errors.RunnerUnavailableError: ProblemKind(503, "runner-unavailable", "Training jobs cannot be reached"),
    errors.EndpointThrottledError: ProblemKind(503, "endpoint-throttled", "The endpoint is at its capacity"),
    errors.ServerBusyError: ProblemKind(503, "server-busy", "Too many large requests at once"),
    errors.EndpointFailedError: ProblemKind(502, "endpoint-failed", "The endpoint gave no usable answer"),
    errors.EndpointTimeoutError: ProblemKind(504, "endpoint-timeout", "The endpoint did not answer in time"),
    errors.ProofFailedError: ProblemKind(502, "proof-failed", "The endpoint does not answer as the model does"),
    InternalError: ProblemKind(500, "internal-error", "Something broke here"),
}


def kind_of(error: errors.BinsightError) -> ProblemKind:
    return PROBLEMS[type(error)]


def problem_json(error: errors.BinsightError, request_id: str) -> dict[str, Any]:
    """The error as RFC 9457 asks, with our `request_id` and the error's own members beside the standard ones."""
    kind = kind_of(error)
    members = {name: value for name, value in error.members.items() if name not in ("keys", "allow")}
    return {
        "type": TYPE_PREFIX + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
        "request_id": request_id,
        **members,
    }


def problem_headers(error: errors.BinsightError) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {"Content-Type": PROBLEM_JSON}
    if "retry_after_s" in error.members:
        headers["Retry-After"] = str(max(1, round(error.members["retry_after_s"])))
    if "allow" in error.members:
        headers["Allow"] = error.members["allow"]
    if kind_of(error).status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
