"""What a promotion was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.counting import AbortRules, Gate

MAX_NAMED = 50
MAX_WAVES = 20
# Of a serverless endpoint whose settings say nothing.
DEFAULT_MEMORY_MB = 3072
DEFAULT_CONCURRENCY = 5


@dataclass(frozen=True)
class Wave:
    """`percent` of the fleet in all, this wave and those before it; `confirm`: it waits for POST .../resume."""

    percent: float
    soak_s: float = 0.0
    confirm: bool = False


DEFAULT_WAVES = (Wave(10, 300), Wave(50, 300), Wave(100, 300))


@dataclass(frozen=True)
class EndpointPlan:
    """`settings` go to the runtime as they are (`instance_type`, `memory_mb`, `max_concurrency`).

    The canary is left after `canary_s` and `canary_minimum` answers; it is taken back when its rate of errors or of
    unknown answers lies more than `max_rise` over the primary's.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    canary_share: float = 0.0
    canary_s: float = 300.0
    canary_minimum: int = 20
    max_rise: float = 0.1
    soak_s: float = 0.0
    create_timeout_s: float = 1800.0


@dataclass(frozen=True)
class FleetPlan:
    """`devices` names all that are meant, else the whole fleet is; `first` names some that belong to the first wave.

    `lengthen_after_s`: an arc in which fewer than the gate's minimum were seen after that time reaches further.
    """

    fleet: str
    waves: tuple[Wave, ...] = DEFAULT_WAVES
    gate: Gate = field(default_factory=Gate)
    abort: AbortRules = field(default_factory=AbortRules)
    first: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_timeout_s: float = 1800.0
    revert_timeout_s: float = 3600.0
    lengthen_after_s: float = 900.0


@dataclass(frozen=True)
class Plan:
    endpoint: EndpointPlan | None = field(default_factory=EndpointPlan)
    fleet: FleetPlan | None = None
    timeout_s: float = 7 * 24 * 3600.0
    allow_indistinguishable: bool = False
    reason: str = ""
