"""The JSON bodies of /events and /frames. Unknown members are refused by name."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from chalicelib.api.device_schemas import BootId, Digest, Finite
from chalicelib.api.schemas import Body
from chalicelib.domain.camera_event import MAX_EVENTS, MAX_RANGES
from chalicelib.domain.camera_frame import MAX_FRAME_BYTES

MAX_RESULT_BYTES = 32 * 1024
Number = Annotated[int, Field(strict=True, ge=1, le=2**53)]


def _small(result: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(result, allow_nan=False)) > MAX_RESULT_BYTES:
        raise ValueError(f"has more than {MAX_RESULT_BYTES} bytes")
    counts = result.get("counts")
    if counts is not None and not (isinstance(counts, dict) and all(isinstance(each, int) for each in counts.values())):
        raise ValueError("counts: must hold a whole number for each label")
    return result


Result = Annotated[dict[str, Any], AfterValidator(_small)]


class NumberedEvent(Body):
    """What every event must have, or it could not even be refused by its number."""

    model_config = ConfigDict(extra="allow", frozen=True)
    sequence: Number


class NewEvents(Body):
    boot: BootId
    events: Annotated[list[NumberedEvent], Field(max_length=MAX_EVENTS)]
    dropped: Annotated[list[tuple[Number, Number]], Field(max_length=MAX_RANGES, default_factory=list)]
    sent_at_s: Finite | None = None


class CameraEventBody(Body):
    """`result`: the runtime's decided answer."""

    sequence: Number
    captured_at_s: Annotated[float, Field(strict=True, ge=0, le=1e11, allow_inf_nan=False)]
    model: Digest | None
    task: Literal["classify", "count", "detect"]
    result: Result
    reference: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    expected: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    thumbnail: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]{0,16000}$")] | None = None


class NewFrame(Body):
    bytes: Annotated[int, Field(strict=True, ge=1, le=MAX_FRAME_BYTES)]
    sha256: Digest
    captured_at_s: Annotated[float, Field(strict=True, ge=0, le=1e11, allow_inf_nan=False)]
    sampler: Literal["random", "near_threshold", "by_class", "scene_mismatch", "by_hand"]
    model: Digest | None = None
    thought: Result | None = None
