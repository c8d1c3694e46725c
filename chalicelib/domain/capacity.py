"""What an account has room for beside the endpoints that stand, and how much of it one of ours may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import DEFAULT_CONCURRENCY, EndpointPlan

# A new endpoint stands beside the one that it replaces.
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Use:
    """How much is used of how much there may be."""

    used: int
    most: int

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)

    def to_json(self) -> dict[str, int]:
        return {"used": self.used, "most": self.most}


@dataclass(frozen=True)
class Capacity:
    """Of an account in its Region. `variants`: serverless endpoint variants; `concurrency`: what they share.

    `foreign`: the concurrency of endpoints that are not ours; `tasks`: those with an endpoint of ours; `instances` by
    type, where a quota of it is known. `is_assumed`: the account did not tell its quotas; these are the lowest known.
    """

    variants: Use
    concurrency: Use
    foreign: int = 0
    tasks: frozenset[Task] = frozenset()
    instances: Mapping[str, Use] = field(default_factory=dict)
    is_assumed: bool = False

    def share(self, task: Task) -> int:
        """What one endpoint of `task` should take, so that every task can have an old and a new one."""
        places = SIDE_BY_SIDE * len(self.tasks | {task})
        return max(1, (self.concurrency.most - self.foreign) // places)

    def to_json(self) -> dict[str, Any]:
        return {
            "variants": self.variants.to_json(),
            "concurrency": self.concurrency.to_json(),
            "is_assumed": self.is_assumed,
        }


def fitted(plan: EndpointPlan, task: Task, capacity: Capacity) -> EndpointPlan:
    """The plan with the concurrency that its endpoint gets. Raises: QuotaExceededError."""
    settings = plan.settings
    if settings.get("instance_type") is not None:
        _check_instances(settings, capacity)
        return plan
    asked = settings.get("max_concurrency")
    granted = asked or min(DEFAULT_CONCURRENCY, capacity.share(task), max(1, capacity.concurrency.left))
    _check(capacity.variants, 1, "serverless endpoint variants", capacity)
    _check(capacity.concurrency, granted, "concurrent answers of serverless endpoints", capacity)
    return replace(plan, settings={**settings, "max_concurrency": granted})


def _check_instances(settings: Mapping[str, Any], capacity: Capacity) -> None:
    """What no quota is known of SageMaker itself has to judge."""
    kind = settings["instance_type"]
    if kind in capacity.instances:
        _check(capacity.instances[kind], settings.get("instance_count", 1), f"instances {kind} for endpoints", capacity)


def _check(use: Use, needed: int, what: str, capacity: Capacity) -> None:
    """An assumed quota refuses nothing: SageMaker knows better."""
    if needed > use.left and not capacity.is_assumed:
        raise QuotaExceededError(
            f"{needed} more {what} are needed; {use.used} of the {use.most} that the account has in this Region are in "
            "use. Remove endpoints, wait until a replaced one is gone (ten minutes), or ask AWS for more.",
            needed=needed,
            **use.to_json(),
        )
