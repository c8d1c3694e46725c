"""The JSON bodies the routes read. Unknown members are refused by name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

MAX_ARTIFACT_BYTES = 512 * 1024 * 1024
ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,72}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Place = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
# "" is the whole set, which the job splits itself.
Channel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
HyperparameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,256}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewKey(Body):
    name: ShortText
    scopes: Annotated[list[Literal["inference", "admin"]], Field(min_length=1)]


class NewUpload(Body):
    bytes: Annotated[int, Field(strict=True, ge=1, le=MAX_ARTIFACT_BYTES)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    content_type: Literal["image/jpeg", "image/png", "image/webp", "application/gzip"]


class PhotoDocument(Body):
    """One photo: `image` as base64, or the id of an upload."""

    image: str | None = None
    upload: ModelId | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.image is None) == (self.upload is None):
            raise ValueError("give either 'image' (base64) or 'upload' (an id)")
        return self


class NewModel(Body):
    """Register an uploaded model.tar.gz."""

    upload: ModelId
    name: Name | None = None


class NewTraining(Body):
    """Start a training job from a definition. `data`: a place, or a place for each channel."""

    job: Name
    data: Place | dict[Channel, Place] | None = None
    name: Name | None = None
    hyperparameters: dict[HyperparameterName, Annotated[str, StringConstraints(max_length=2500)]] = {}
    allow_over_budget: StrictBool = False


class RecordedJob(Body):
    """Record a training job that exists, by its name. `labels`: what a built-in algorithm's classes are called."""

    name: Name
    task: Literal["classify", "count", "detect"]
    training_job: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
    labels: Annotated[list[ShortText], Field(max_length=1000)] = []


class Decision(Body):
    reason: Annotated[str, StringConstraints(max_length=2000)] = ""


class Approval(Decision):
    override: StrictBool = False
