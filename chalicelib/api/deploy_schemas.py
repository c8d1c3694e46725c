"""The JSON body of POST /deploy. Unknown members are refused by name; what is not sent has a sensible default."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from chalicelib.api.device_schemas import DeviceId
from chalicelib.api.schemas import Body, ModelId, Name
from chalicelib.domain import plan as plans
from chalicelib.domain.counting import AbortRules, Gate, Limit

Seconds = Annotated[float, Field(strict=True, ge=0, le=90 * 24 * 3600, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
DeviceIds = Annotated[list[DeviceId], Field(max_length=plans.MAX_NAMED)]


class ModelOnly(BaseModel):
    """Which model is asked for: looked at before the rest of the request is."""

    model_config = ConfigDict(extra="ignore")

    model: ModelId


class CanarySettings(Body):
    share: Annotated[float, Field(strict=True, gt=0, le=0.5, allow_inf_nan=False)]
    duration_s: Seconds = 300
    minimum: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 20
    max_rise: Share = 0.1


class EndpointSettings(Body):
    """Serverless unless an instance type is named."""

    instance_type: Annotated[str, StringConstraints(pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$")] | None = None
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] | None = None
    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=200)] | None = None
    canary: CanarySettings | None = None
    soak_s: Seconds = 0
    create_timeout_s: Annotated[float, Field(strict=True, ge=1, le=24 * 3600)] = 1800

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.instance_type and (self.memory_mb or self.max_concurrency):
            raise ValueError("an instance brings its own memory: no 'memory_mb' and no 'max_concurrency' beside it")
        return self

    def plan(self) -> plans.EndpointPlan:
        runtime = self.model_dump(include={"instance_type", "memory_mb", "max_concurrency"}, exclude_none=True)
        plan = plans.EndpointPlan(runtime, soak_s=self.soak_s, create_timeout_s=self.create_timeout_s)
        if self.canary is None:
            return plan
        return replace(
            plan,
            canary_share=self.canary.share,
            canary_s=self.canary.duration_s,
            canary_minimum=self.canary.minimum,
            max_rise=self.canary.max_rise,
        )


# So that settings which do not fit are not refused for being no boolean.
EndpointWish = Annotated[
    Annotated[StrictBool, Tag("switch")] | Annotated[EndpointSettings, Tag("settings")],
    Discriminator(lambda sent: "switch" if isinstance(sent, bool) else "settings"),
]


class WaveSettings(Body):
    percent: Percent
    soak_s: Seconds = 0
    confirm: StrictBool = False


class GateSettings(Body):
    verified_share: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] = 0.9
    minimum_seen: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1


class LimitSettings(Body):
    share: Share
    minimum: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1

    def limit(self) -> Limit:
        return Limit(self.share, self.minimum, is_exact=True)


class AbortSettings(Body):
    failed: LimitSettings | None = None
    timed_out: LimitSettings | None = None
    unverified: LimitSettings | None = None
    worse: LimitSettings | None = None

    def rules(self) -> AbortRules:
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return AbortRules(**{name: limit.limit() for name, limit in given.items() if limit is not None})


class TimeoutSettings(Body):
    """For the whole promotion, for a device to prove itself, for the way back, for a wave until it reaches further."""

    promotion_s: Annotated[float, Field(strict=True, ge=1, le=90 * 24 * 3600)] = 7 * 24 * 3600
    device_s: Annotated[float, Field(strict=True, ge=1, le=7 * 24 * 3600)] = 1800
    revert_s: Annotated[float, Field(strict=True, ge=1, le=7 * 24 * 3600)] = 3600
    lengthen_s: Annotated[float, Field(strict=True, ge=1, le=7 * 24 * 3600)] = 900


class NewPromotion(Body):
    """`{"model": ...}` alone promotes to the endpoint, with `fleet` to the endpoint and then to the fleet."""

    model: ModelId
    endpoint: EndpointWish | None = None
    fleet: Name | None = None
    waves: Annotated[list[WaveSettings], Field(min_length=1, max_length=plans.MAX_WAVES)] | None = None
    gate: GateSettings = GateSettings()
    abort: AbortSettings = AbortSettings()
    devices: Annotated[DeviceIds, Field(min_length=1)] | None = None
    first: DeviceIds = Field(default_factory=list)
    timeout: TimeoutSettings = TimeoutSettings()
    dry_run: StrictBool = False
    allow_indistinguishable: StrictBool = False
    reason: Annotated[str, StringConstraints(max_length=2000)] = ""

    @field_validator("waves")
    @classmethod
    def _reaches_everybody(cls, waves: list[WaveSettings] | None) -> list[WaveSettings] | None:
        if waves and waves[0].confirm:
            raise ValueError("the first wave is the word itself: 'confirm' makes a later one wait for POST .../resume")
        percents = [wave.percent for wave in waves or []]
        if any(later <= earlier for earlier, later in pairwise(percents)):
            raise ValueError("every wave reaches further than the one before: 'percent' must increase")
        if percents and percents[-1] != 100:
            raise ValueError("the last of the waves reaches 100 percent")
        return waves

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.fleet is None and (self.waves or self.devices or self.first):
            raise ValueError("'waves', 'devices' and 'first' go with a 'fleet'")
        if self.devices and (self.waves or self.first):
            raise ValueError("named 'devices' are promoted together: no 'waves' and no 'first' beside them")
        if self.endpoint is False and self.fleet is None:
            raise ValueError("nothing to promote to: neither the endpoint nor a fleet")
        return self

    def plan(self) -> plans.Plan:
        return plans.Plan(
            endpoint=self._endpoint_plan(),
            fleet=self._fleet_plan(),
            timeout_s=self.timeout.promotion_s,
            allow_indistinguishable=self.allow_indistinguishable,
            reason=self.reason,
        )

    def _endpoint_plan(self) -> plans.EndpointPlan | None:
        """Named devices are tried by themselves unless told otherwise."""
        if isinstance(self.endpoint, EndpointSettings):
            return self.endpoint.plan()
        wanted = not self.devices if self.endpoint is None else self.endpoint
        return plans.EndpointPlan() if wanted else None

    def _fleet_plan(self) -> plans.FleetPlan | None:
        if self.fleet is None:
            return None
        waves = tuple(plans.Wave(wave.percent, wave.soak_s, wave.confirm) for wave in self.waves or [])
        return plans.FleetPlan(
            fleet=self.fleet,
            waves=(plans.Wave(100),) if self.devices else waves or plans.DEFAULT_WAVES,
            gate=Gate(self.gate.verified_share, self.gate.minimum_seen),
            abort=self.abort.rules(),
            first=tuple(dict.fromkeys(self.first)),
            devices=tuple(dict.fromkeys(self.devices or ())),
            device_timeout_s=self.timeout.device_s,
            revert_timeout_s=self.timeout.revert_s,
            lengthen_after_s=self.timeout.lengthen_s,
        )


class Stopping(Body):
    reason: Annotated[str, StringConstraints(max_length=2000)] = ""
