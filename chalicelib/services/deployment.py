"""Use cases of promotion: begin one, follow it, steer it, and let the time go on for all of them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records as records
from chalicelib.domain.alias import Alias
from chalicelib.domain.deployment import Deployment, DeploymentState
from chalicelib.domain.errors import (
    BinsightError,
    IllegalTransitionError,
    InvalidFieldError,
    InvalidImageError,
    ModelUnavailableError,
    ProofFailedError,
    UnavailableError,
    WriteConflictError,
)
from chalicelib.domain.fleet_errors import QuotaExceededError
from chalicelib.domain.inference import Task
from chalicelib.domain.plan import EndpointPlan, Plan
from chalicelib.domain.ports import Clock, Cursor, EndpointRuntime, EndpointState, Index, Put, RecordStore
from chalicelib.domain.promotion import Act, Action, Move, Note, Wait, WaitForWord, decide
from chalicelib.services.contention import until_settled
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.promotion_facts import PromotionFacts
from chalicelib.services.promotion_start import PromotionStart
from chalicelib.services.promotion_steps import PromotionSteps
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets

LOGGER = logging.getLogger(__name__)
State = DeploymentState
TIMER = "timer"
QUOTA_EXCEEDED = "quota_exceeded"
MAX_STEPS = 40
TICKED = 100
# A leftover endpoint that somebody still names is looked at again after this time.
CLEAN_AGAIN_S = 60.0
STEERABLE = (State.PENDING, State.PROVING_ENDPOINT, State.CANARY, State.ENDPOINT_LIVE, State.WAVE)


@dataclass(frozen=True)
class Deployments:
    store: RecordStore
    targets: Targets
    tally: Tally
    golden: GoldenAnswers
    facts: PromotionFacts
    steps: PromotionSteps
    start: PromotionStart
    runtime: EndpointRuntime
    clock: Clock

    def promote(self, model_id: str, actor: str, plan: Plan | None = None) -> Deployment:
        """Begin, and go as far as it goes without waiting.

        A deployment that fails says why in `reason` and leaves what is live as it was.
        Raises: ModelNotFoundError, IllegalTransitionError, FleetNotFoundError, EmptyFleetError, InvalidPlanError,
        TaskMismatchError, DeviceNotFoundError, NotDistinguishableError, QuotaExceededError.
        """
        begun = self._settled(lambda: self.start.begin(model_id, plan or Plan(), actor))
        return self._driven(begun, actor)

    def get(self, deployment_id: str) -> Deployment:
        """Raises: DeploymentNotFoundError."""
        return self.targets.deployment(deployment_id)

    def page(self, after: Cursor | None, limit: int) -> tuple[list[Deployment], Cursor | None]:
        page = self.store.query(records.DEPLOYMENTS, index=Index.FIRST, after=after, limit=limit, newest_first=True)
        return [records.deployment_from(record) for record in page.records], page.next

    def alias(self, task: Task) -> Alias | None:
        return self.targets.alias(task)

    def why_it_waits(self, deployment: Deployment) -> str:
        """A sentence, `quota_exceeded: ...` where the account lacks something; '' when it would go on at once."""
        try:
            decision = decide(deployment, self.facts.of(deployment))
        except ModelUnavailableError as error:
            return error.detail
        return decision.why + self._closed_window(deployment) if isinstance(decision, Wait) else deployment.lack

    def _closed_window(self, deployment: Deployment) -> str:
        """Nobody new is offered the model then."""
        if deployment.state is not State.WAVE or deployment.plan.fleet is None:
            return ""
        window = self.targets.fleet(deployment.plan.fleet.fleet).update_window
        if window is None or window.is_open(self.clock()):
            return ""
        return f" The fleet's update window is closed until {window.to_json()['from']} UTC."

    def pause(self, deployment_id: str, actor: str) -> Deployment:
        """Raises: DeploymentNotFoundError, IllegalTransitionError."""
        return self._settled(lambda: self._pause(deployment_id, actor))

    def _pause(self, deployment_id: str, actor: str) -> Deployment:
        deployment = self._steerable(deployment_id, "paused", *STEERABLE)
        return self.steps.note(deployment, deployment.paused(self.clock()), "deployment.paused", actor)

    def resume(self, deployment_id: str, actor: str) -> Deployment:
        """Go on after a pause, or let a wave begin that waits for a word. What soaked soaks the rest of its time.

        Raises: DeploymentNotFoundError, IllegalTransitionError.
        """
        return self._driven(self._settled(lambda: self._resume(deployment_id, actor)), actor)

    def _resume(self, deployment_id: str, actor: str) -> Deployment:
        deployment = self._steerable(deployment_id, "resumed", State.PAUSED, State.WAVE)
        if deployment.state is State.PAUSED:
            return self.steps.note(deployment, deployment.resumed(self.clock()), "deployment.resumed", actor)
        decision = decide(deployment, self.facts.of(deployment))
        if not isinstance(decision, WaitForWord):
            # A word that comes twice must not let the wave after the next one begin.
            why = decision.why if isinstance(decision, Wait) else "It goes on by itself."
            raise IllegalTransitionError(
                f"Deployment {deployment_id} waits for no word. {why}", state=deployment.state.value
            )
        going = replace(deployment, confirmed=deployment.wave + 1)
        return self.steps.note(deployment, going, "deployment.resumed", actor)

    def abort(self, deployment_id: str, actor: str, reason: str) -> Deployment:
        """Take everything back. Raises: DeploymentNotFoundError, IllegalTransitionError."""
        return self._driven(self._settled(lambda: self._abort(deployment_id, actor, reason)), actor)

    def _abort(self, deployment_id: str, actor: str, reason: str) -> Deployment:
        deployment = self._steerable(deployment_id, "aborted", *STEERABLE, State.PAUSED)
        state = State.FAILED if self._is_before_live(deployment) else State.REVERTING
        why = f"Aborted by {actor}" + (f": {reason}" if reason else ".")
        return self.steps.take(deployment, Move(state, why), actor)

    def _settled(self, step: Callable[[], Deployment]) -> Deployment:
        """A word or a verdict is not lost to the timer, which may have taken a step meanwhile: it is judged anew."""
        return until_settled(step, self.steps.ledger.pause, lambda error: True)

    def _driven(self, deployment: Deployment, actor: str) -> Deployment:
        """As far as it goes; where the timer drives it already, or its endpoint cannot be asked now, as it is now.

        What was stored is not answered with an error: who is told of one would begin again.
        """
        try:
            return self.drive(deployment, actor)
        except (WriteConflictError, ModelUnavailableError) as error:
            LOGGER.info("the timer goes on with promotion %s: %s", deployment.id, error)
            return self.get(deployment.id)

    def judge(self, deployment_id: str) -> None:
        """After a bad verdict was counted: the abort is decided on the report that trips it."""
        with contextlib.suppress(WriteConflictError):
            self._settled(lambda: self.drive(self.get(deployment_id), TIMER))

    def tick(self) -> None:
        """What a timer calls: time-outs, soaks, gates, and the endpoints that nobody needs any more."""
        after: Cursor | None = None
        while True:
            page = self.store.query(records.ACTIVE, index=Index.SECOND, after=after, limit=TICKED)
            for record in page.records:
                self._ticked(records.deployment_from(record).id)
            after = page.next
            if after is None:
                break

    def _ticked(self, deployment_id: str) -> None:
        """One promotion's trouble is not the others'."""
        try:
            self._tend(self.get(deployment_id))
        except WriteConflictError:
            return
        except BinsightError as error:
            LOGGER.warning("promotion %s goes on at the next tick, after: %s", deployment_id, error)

    def drive(self, deployment: Deployment, actor: str = TIMER) -> Deployment:
        """Step after step until it waits. Raises: WriteConflictError when somebody else is driving."""
        proof: str | None = None
        for _ in range(MAX_STEPS):
            decision = decide(deployment, self.facts.of(deployment, proof))
            if isinstance(decision, Wait):
                break
            if not isinstance(decision, Act):
                deployment = self.steps.take(deployment, decision, actor)
                continue
            outcome = self._act(deployment, decision.action)
            if isinstance(outcome, Move | Note):
                deployment = self.steps.take(deployment, outcome, actor)
            if outcome is None or isinstance(outcome, Note):
                break
            if isinstance(outcome, str) and decision.action is not Action.CREATE_ENDPOINT:
                proof = outcome
        self._clean(deployment)
        return deployment

    def _act(self, deployment: Deployment, action: Action) -> str | Move | Note | None:
        """What came of it: the proof so far ('' is passed), why the promotion ends, or None to try again later."""
        try:
            return _ACTIONS[action](self, deployment)
        except QuotaExceededError as error:
            return self._lacking(deployment, f"{QUOTA_EXCEEDED}: {error.detail}")
        except (ProofFailedError, InvalidFieldError, InvalidImageError) as error:
            return Move(State.FAILED, error.detail)
        except UnavailableError as error:
            status = self.runtime.describe(deployment.endpoint)
            if self._is_hopeless(deployment, status.state):
                return Move(State.FAILED, error.detail)
            LOGGER.warning("promotion %s tries again: %s", deployment.id, error)
            return None

    def _lacking(self, deployment: Deployment, lack: str) -> Move | Note | None:
        """There may be room in a while: it waits as long as making an endpoint may take, and has not failed then."""
        if self._is_too_late(deployment):
            return Move(State.EXPIRED, lack)
        return Note(replace(deployment, lack=lack)) if lack != deployment.lack else None

    def _is_too_late(self, deployment: Deployment) -> bool:
        plan = deployment.plan.endpoint or EndpointPlan()
        return self.clock() - deployment.since_s > plan.create_timeout_s

    def _is_hopeless(self, deployment: Deployment, state: EndpointState) -> bool:
        """One that failed, or is in service and cannot answer, will not answer later either; making one takes time."""
        return state in (EndpointState.IN_SERVICE, EndpointState.FAILED) or self._is_too_late(deployment)

    def _create(self, deployment: Deployment) -> str | None:
        settings = deployment.plan.endpoint.settings if deployment.plan.endpoint else {}
        self.runtime.create(self.steps.endpoint.served(deployment), settings)
        status = self.runtime.describe(deployment.endpoint)
        return "" if status.state is EndpointState.IN_SERVICE else None

    def _prove(self, deployment: Deployment) -> str:
        served = self.steps.endpoint.served(deployment)
        self.runtime.prove(served)
        return self.golden.fault(served)

    def _fill(self, deployment: Deployment) -> str | None:
        return "" if self.golden.fill(self.steps.endpoint.served(deployment)) is not None else None

    def _tend(self, deployment: Deployment) -> None:
        if deployment.state in (State.WAVE, State.PAUSED) and deployment.waves:
            self.tally.time_out(deployment.id, self.clock())
        self.drive(deployment)

    def _clean(self, deployment: Deployment) -> None:
        """Remove the endpoints that nobody names any more."""
        if not deployment.leftovers or self.clock() < (deployment.clean_at_s or 0):
            return
        needed = self._needed_endpoints(deployment.task)
        left = tuple(endpoint for endpoint in deployment.leftovers if endpoint in needed or not self._removed(endpoint))
        cleaned = replace(deployment, leftovers=left, clean_at_s=self.clock() + CLEAN_AGAIN_S if left else None)
        record = records.deployment_record(cleaned)
        with contextlib.suppress(WriteConflictError):
            self.store.write(Put(record, expected_version=deployment.record_version))

    def _removed(self, endpoint: str) -> bool:
        try:
            self.runtime.delete(endpoint)
        except UnavailableError as error:
            LOGGER.warning("endpoint %s is removed later: %s", endpoint, error)
            return False
        return True

    def _needed_endpoints(self, task: Task) -> set[str]:
        """What an alias, a baseline or a promotion under way names."""
        target, alias = self.targets.endpoint(task), self.targets.alias(task)
        needed = alias.endpoints() if alias else set()
        if target.baseline:
            needed.add(target.baseline.endpoint)
        if target.active:
            active = self.get(target.active)
            needed |= {active.endpoint, *([active.baseline_endpoint.endpoint] if active.baseline_endpoint else [])}
        return needed

    def _steerable(self, deployment_id: str, verb: str, *states: DeploymentState) -> Deployment:
        deployment = self.get(deployment_id)
        if deployment.state not in states:
            names = sorted(state.value for state in states)
            raise IllegalTransitionError(
                f"Deployment {deployment_id} is {deployment.state.value}; {', '.join(names)} can be {verb}.",
                state=deployment.state.value,
                legal=names,
            )
        return deployment

    def _is_before_live(self, deployment: Deployment) -> bool:
        return (deployment.paused_from or deployment.state) in (State.PENDING, State.PROVING_ENDPOINT)


_ACTIONS = {
    Action.CREATE_ENDPOINT: Deployments._create,
    Action.PROVE_ENDPOINT: Deployments._prove,
    Action.FILL_ANSWERS: Deployments._fill,
}
