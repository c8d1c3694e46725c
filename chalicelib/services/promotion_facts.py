"""What a decision needs to know, read when it is needed."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.deployment import Deployment, DeploymentState, ModelRef
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import FleetPlan
from chalicelib.domain.ports import Clock, EndpointRuntime
from chalicelib.domain.promotion import Facts
from chalicelib.domain.proof import TOLERANCES
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets

State = DeploymentState
REFERENCE_ENGINE = "onnxruntime"


@dataclass(frozen=True)
class PromotionFacts:
    runtime: EndpointRuntime
    golden: GoldenAnswers
    targets: Targets
    tally: Tally
    clock: Clock

    def of(self, deployment: Deployment, proof: str | None = None) -> Facts:
        """`proof`: what the endpoint's proof has just come to. Raises: ModelUnavailableError."""
        now_s = self.clock()
        if deployment.state is State.PROVING_ENDPOINT:
            return self._proving(deployment, proof, now_s)
        watched = deployment.paused_from or deployment.state
        if watched is State.CANARY:
            return Facts(now_s, variants=self.tally.variants(deployment.id))
        if watched in (State.WAVE, State.REVERTING):
            return Facts(now_s, counts=self.tally.counts(deployment.id))
        return Facts(now_s)

    def lack_of_difference(self, task: Task, new: ModelRef, baseline: str | None, plan: FleetPlan) -> str:
        """Why the golden photos do not tell the two models apart well enough; '' when they do."""
        tolerance = self.tolerance(plan.fleet, new)
        telling, needed = self.golden.telling(task, new.digest, baseline, tolerance)
        if telling >= needed:
            return ""
        return (
            f"Only {telling} golden photos tell the new model from the one it replaces (tolerance {tolerance:g}); "
            f"{needed} are needed to prove that a camera runs it. 'allow_indistinguishable' promotes all the same."
        )

    def tolerance(self, fleet: str, model: ModelRef) -> float:
        """That of the least exact engine in the fleet that the model runs on."""
        engines = [name for name in self.targets.engines(fleet) if name in model.engines]
        return max(TOLERANCES[engine] for engine in engines or [REFERENCE_ENGINE])

    def _proving(self, deployment: Deployment, proof: str | None, now_s: float) -> Facts:
        answers = self._answers(deployment)
        is_endpoint_needed = deployment.plan.endpoint is not None or answers is None
        return Facts(
            now_s,
            endpoint=self.runtime.describe(deployment.endpoint) if is_endpoint_needed else None,
            answers=answers,
            proof=proof,
            has_alias=self.targets.alias(deployment.task) is not None,
        )

    def _answers(self, deployment: Deployment) -> str | None:
        if self.golden.of(deployment.task, deployment.model.digest) is None:
            return None
        plan, baseline = deployment.plan.fleet, deployment.baseline_fleet
        if plan is None or baseline is None or deployment.plan.allow_indistinguishable:
            return ""
        if baseline.digest == deployment.model.digest:
            return ""
        return self.lack_of_difference(deployment.task, deployment.model, baseline.digest, plan)
