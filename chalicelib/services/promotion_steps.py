"""Carrying out a decision: one transaction of a constant size, with a ledger entry where what is live changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.deployment import BEFORE_LIVE, Deployment, DeploymentState, OpenWave
from chalicelib.domain.fleet import BACK, FORWARD, FleetTarget
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.plan import FleetPlan
from chalicelib.domain.ports import Clock, Put, Write
from chalicelib.domain.promotion import Lengthen, Move, Note, Open
from chalicelib.domain.ring import RING, lengthened
from chalicelib.domain.waves import asked_length
from chalicelib.services.endpoint_steps import EndpointSteps
from chalicelib.services.ledger import Ledger
from chalicelib.services.promotion_writes import (
    cleaning,
    deployment_subject,
    fleet_plan,
    overlay_of,
    percent_of,
    put_deployment,
    put_target,
    settled,
    stored,
)
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets
from chalicelib.services.timed_cache import TimedCache

State = DeploymentState
# Twice as long as a process may go on answering from an alias that it has cached.
LINGER_S = 600.0


@dataclass(frozen=True)
class PromotionSteps:
    targets: Targets
    endpoint: EndpointSteps
    tally: Tally
    ledger: Ledger
    clock: Clock
    aliases: TimedCache[Task, Alias]

    def take(self, deployment: Deployment, step: Move | Open | Lengthen | Note, actor: str) -> Deployment:
        """The deployment after the step. Raises: WriteConflictError when somebody else took one."""
        if isinstance(step, Note):
            self.ledger.store.write(put_deployment(deployment, step.deployment))
            return stored(deployment, step.deployment)
        if isinstance(step, Open):
            return self._open(deployment, step.wave, actor)
        if isinstance(step, Lengthen):
            return self._lengthen(deployment, actor)
        return self._movers()[step.state](
            self, deployment, deployment.moved_to(step.state, self.clock(), step.reason), actor
        )

    def note(self, deployment: Deployment, changed: Deployment, action: str, actor: str) -> Deployment:
        """A change of the promotion itself, which the ledger keeps."""
        return self._commit(deployment, changed, action, actor)

    @staticmethod
    def _movers() -> dict[DeploymentState, Callable[[PromotionSteps, Deployment, Deployment, str], Deployment]]:
        return {
            State.PROVING_ENDPOINT: PromotionSteps._quietly,
            State.CANARY: PromotionSteps._canary,
            State.ENDPOINT_LIVE: PromotionSteps._flip,
            State.SUCCEEDED: PromotionSteps._succeed,
            State.EXPIRED: PromotionSteps._expire,
            State.FAILED: PromotionSteps._fail,
            State.REVERTING: PromotionSteps._take_back,
            State.REVERTED: PromotionSteps._end_revert,
            State.REVERT_INCOMPLETE: PromotionSteps._end_revert,
        }

    def _quietly(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        self.ledger.store.write(put_deployment(deployment, moved))
        return stored(deployment, moved)

    def _canary(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        writes, share = self.endpoint.with_canary(deployment)
        return self._commit(deployment, moved, "alias.canary", actor, *writes, share=share)

    def _flip(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        return self._commit(deployment, moved, "alias.flipped", actor, *self.endpoint.flipped(deployment))

    def _open(self, deployment: Deployment, wave: int, actor: str) -> Deployment:
        plan, target = fleet_plan(deployment), self.targets.fleet_target(fleet_plan(deployment).fleet)
        length, minimum = self._arc(deployment, asked_length(plan, wave), plan.gate.minimum)
        opened = OpenWave(length, minimum, self.clock())
        waves = (*deployment.waves, opened)
        moved = replace(deployment.moved_to(State.WAVE, self.clock()), waves=waves)
        writes = (self._overlaid(target, moved, plan), self._live_fleet(moved, deployment.model_id, wave))
        return self._commit(
            deployment, moved, "fleet.wave_opened", actor, *writes, wave=wave, percent=percent_of(length)
        )

    def _lengthen(self, deployment: Deployment, actor: str) -> Deployment:
        plan, opened = fleet_plan(deployment), deployment.waves[-1]
        target = self.targets.fleet_target(plan.fleet)
        length, _ = self._arc(deployment, opened.length, plan.gate.minimum)
        moved = deployment.with_wave(replace(opened, length=length, lengthened=opened.lengthened + 1))
        details = {"wave": deployment.wave, "percent": percent_of(length)}
        return self._commit(
            deployment, moved, "fleet.wave_lengthened", actor, self._overlaid(target, moved, plan), **details
        )

    def _arc(self, deployment: Deployment, asked: int, minimum: int) -> tuple[int, int]:
        """How far the wave reaches, and how many devices it holds at the least.

        Where nobody is left who can, those of the waves before are enough; but somebody must have proved the model.
        Those who cannot are passed by, also where there are very many of them.
        """
        plan, reached = fleet_plan(deployment), deployment.waves[-1].length if deployment.waves else 0
        if plan.devices:
            return RING, len(plan.devices)
        start = deployment.start
        ahead = self.targets.ahead(plan.fleet, deployment.model, (start + reached) % RING, minimum, RING - reached)
        fit = min(minimum, len(ahead.fit))
        holds = fit if deployment.waves else max(1, fit)
        if ahead.is_all and fit < minimum:
            return RING, holds
        held = ahead.fit[:minimum] if fit == minimum else ahead.devices
        return lengthened(asked, start, [device.place for device in held], len(held)), holds

    def _succeed(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        """The model is the next promotion's baseline; what it replaced is removed after a while."""
        writes: list[Write] = []
        if deployment.plan.endpoint is not None:
            endpoint_writes, old = self.endpoint.settled(deployment)
            writes += endpoint_writes
            moved = replace(moved, leftovers=tuple(sorted(old)), clean_at_s=self.clock() + LINGER_S)
        elif deployment.leftovers or deployment.endpoint:
            moved = cleaning(moved, self.clock())
        if deployment.plan.fleet is not None:
            target = self.targets.fleet_target(deployment.plan.fleet.fleet)
            writes.append(put_target(target, settled(target, deployment, deployment.plan.fleet)))
            if not deployment.plan.fleet.devices:
                writes.append(self._live(target.fleet, deployment.id, deployment.model_id, None, None))
            moved = replace(moved, outcome=self._outcome(deployment))
        return self._commit(deployment, moved, "deployment.succeeded", actor, *writes)

    def _expire(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        """What has been reached keeps the model, and proves it; it is nobody's baseline."""
        if deployment.state in BEFORE_LIVE:
            return self._give_up(deployment, moved, "deployment.expired", actor)
        # The alias may name its endpoint for long; whatever replaces it there, nobody else would remove this one.
        moved = replace(cleaning(moved, self.clock() + LINGER_S), outcome=self._outcome(deployment))
        return self._commit(deployment, moved, "deployment.expired", actor, *self._released(deployment))

    def _fail(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        return self._give_up(deployment, moved, "deployment.failed", actor)

    def _give_up(self, deployment: Deployment, moved: Deployment, action: str, actor: str) -> Deployment:
        """The alias never pointed to this endpoint; it may still point to that of a promotion this one superseded."""
        moved = cleaning(moved, self.clock())
        writes = (*self.endpoint.restored(deployment), *self._released(deployment))
        return self._commit(deployment, moved, action, actor, *writes, reason=moved.reason)

    def _take_back(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        writes = list(self.endpoint.restored(deployment))
        plan = deployment.plan.fleet
        if plan is not None and deployment.waves:
            target = self.targets.fleet_target(plan.fleet)
            overlay = overlay_of(deployment, plan, BACK)
            writes.append(put_target(target, replace(target, overlay=overlay)))
            back_to = deployment.baseline_fleet.model_id if deployment.baseline_fleet else None
            writes.append(self._live_fleet(deployment, back_to, None))
        moved = replace(moved, paused_from=None)
        return self._commit(deployment, moved, "deployment.reverting", actor, *writes, reason=moved.reason)

    def _end_revert(self, deployment: Deployment, moved: Deployment, actor: str) -> Deployment:
        moved = replace(
            moved, reason=deployment.reason, leftovers=(deployment.endpoint,), clean_at_s=self.clock() + LINGER_S
        )
        if deployment.waves:
            outcome = self._outcome(deployment)
            missing = self.tally.not_back(deployment.id) if moved.state is State.REVERT_INCOMPLETE else []
            moved = replace(moved, outcome={**outcome, "not_back": missing})
        action = f"deployment.{moved.state.value}"
        return self._commit(deployment, moved, action, actor, *self._released(deployment, clear=True))

    def supersession(self, old: Deployment, by: str, kept: set[str]) -> tuple[Deployment, list[Write]]:
        """What ends `old`; targets that the new promotion does not take over (`kept`) go back to their baseline."""
        moved = old.moved_to(State.SUPERSEDED, self.clock(), f"Superseded by {by}.")
        moved = replace(moved, leftovers=(old.endpoint,), clean_at_s=self.clock() + LINGER_S)
        writes: list[Write] = [put_deployment(old, moved)]
        if old.plan.endpoint is not None and records.endpoint_target(old.task) not in kept:
            writes += [*self.endpoint.restored(old), *self.endpoint.released(old)]
        if old.plan.fleet is not None and records.fleet_target_name(old.plan.fleet.fleet) not in kept:
            target = self.targets.fleet_target(old.plan.fleet.fleet)
            writes.append(put_target(target, replace(target.without_overlay(), active=None)))
            writes += self.standing_again(target, by)
        return moved, writes

    def standing_again(self, target: FleetTarget, by: str) -> list[Write]:
        """That a fleet which a promotion had reached runs what stood, because promotion `by` began."""
        if target.overlay is None:
            return []
        standing = target.standing.model.model_id if target.standing else None
        return [self._live(target.fleet, by, standing, None, standing)]

    def _released(self, deployment: Deployment, clear: bool = False) -> list[Write]:
        """The targets, free for the next promotion."""
        writes = self.endpoint.released(deployment)
        if deployment.plan.fleet is not None:
            target = self.targets.fleet_target(deployment.plan.fleet.fleet)
            left = target.without_overlay() if clear else target
            writes.append(put_target(target, replace(left, active=None)))
        return writes

    def _outcome(self, deployment: Deployment) -> dict[str, object]:
        counts = self.tally.counts(deployment.id)
        devices = self.targets.count(fleet_plan(deployment).fleet).get("devices", 0)
        meant = len(fleet_plan(deployment).devices) or devices
        return {**counts.to_json(), "devices": meant, "behind": max(0, meant - counts.of("verified"))}

    def _overlaid(self, target: FleetTarget, deployment: Deployment, plan: FleetPlan) -> Write:
        return put_target(target, replace(target, overlay=overlay_of(deployment, plan, FORWARD)))

    def _live_fleet(self, deployment: Deployment, model_id: str | None, wave: int | None) -> Write:
        standing = deployment.baseline_fleet.model_id if deployment.baseline_fleet else None
        return self._live(fleet_plan(deployment).fleet, deployment.id, model_id, wave, standing)

    def _live(self, fleet: str, by: str, model_id: str | None, wave: int | None, elsewhere: str | None) -> Write:
        body = {"model": model_id, "deployment": by, "wave": wave, "elsewhere": elsewhere}
        record = records.live_record(records.fleet_target_name(fleet), self.clock(), by, body)
        return Put(record, expected_version=None)

    def _commit(
        self, before: Deployment, after: Deployment, action: str, actor: str, *writes: Write, **details: object
    ) -> Deployment:
        subject = deployment_subject(before, action)
        change = Change(actor, action, subject, {"model": before.model_id, "deployment": before.id, **details})
        self.ledger.commit(change, put_deployment(before, after), *writes)
        self.aliases.forget(before.task)
        if before.plan.fleet:
            self.targets.forget(before.plan.fleet.fleet)
        return stored(before, after)
