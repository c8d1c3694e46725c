"""The JSON bodies of /devices and /fleets. Unknown members are refused by name."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from chalicelib.api.schemas import Body, ModelId, Name, ShortText
from chalicelib.domain.inference import Task

Engine = Literal["onnxruntime", "openvino", "mxnet", "awscam"]
DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$")]
FLEET = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
BOOT = re.compile(r"[a-z0-9-]{16,64}")
BootId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{16,64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PhotoId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Text = Annotated[str, StringConstraints(max_length=500)]
Amount = Annotated[float, Field(strict=True, ge=0, le=1e15, allow_inf_nan=False)]
Counted = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class NewDevice(Body):
    """`fleet` comes from the enrolment code where one is the bearer key."""

    id: DeviceId | None = None
    fleet: Name | None = None
    site: Text = ""
    hardware: Text = ""
    engine: Engine = "onnxruntime"
    memory_mb: Annotated[int, Field(strict=True, ge=1, le=1_048_576)] | None = None


class DeviceChange(Body):
    """`pinned` null takes the pin away; a member that is not sent stays as it is."""

    fleet: Name | None = None
    site: Text | None = None
    pinned: ModelId | None = None


class UpdateWindow(Body):
    """Hours of the day (UTC) in which new models are offered; over midnight when `until` is before `from`."""

    from_: Annotated[ClockTime, Field(alias="from")]
    until: ClockTime

    @model_validator(mode="after")
    def _is_open_sometimes(self) -> Self:
        if self.from_ == self.until:
            raise ValueError("a window that ends when it begins is never open; null is for every hour")
        return self


class FleetChange(Body):
    task: Task | None = None
    update_window: UpdateWindow | None = None
    checks_per_s: Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)] | None = None


class NewCode(Body):
    devices: Annotated[int, Field(strict=True, ge=1, le=100_000)]
    expires_in_s: Annotated[int, Field(strict=True, ge=60, le=30 * 24 * 3600)] = 24 * 3600


class GoldenAnswer(Body):
    """`answer` is the runtime's decided answer; only `probabilities` or `detections` are read."""

    photo: PhotoId
    answer: dict[str, Any]


class Failure(Body):
    code: Literal["download", "digest", "manifest", "disk", "self_test", "engine", "crash_loop", "other"]
    detail: Text = ""


class SinceActivation(Body):
    predictions: Annotated[int, Field(strict=True, ge=0, le=10**12)]
    unknown: Annotated[int, Field(strict=True, ge=0, le=10**12)]
    confidence_sum: Amount
    errors: Annotated[int, Field(strict=True, ge=0, le=10**12)] = 0


class Report(Body):
    boot: BootId
    previous_boot: BootId | None = None
    sequence: Annotated[int, Field(strict=True, ge=1, le=2**53)]
    digest: Digest | None = None
    stage: Literal[
        "idle",
        "checking",
        "downloading",
        "staging",
        "self_test",
        "activating",
        "proving",
        "provisional",
        "confirmed",
        "rolling_back",
        "failed",
    ]
    deployment: ModelId | None = None
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    answers: Annotated[list[GoldenAnswer], Field(max_length=64)] | None = None
    failure: Failure | None = None
    counters: SinceActivation | None = None
    scene: Annotated[dict[ShortText, Finite], Field(max_length=16)] | None = None
    versions: Annotated[dict[ShortText, ShortText], Field(max_length=16)] | None = None
    outbox: (
        Annotated[dict[ShortText, Annotated[int, Field(strict=True, ge=0, le=2**53)]], Field(max_length=16)] | None
    ) = None
    sent_at_s: Finite | None = None
