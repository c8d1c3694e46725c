"""Following training jobs to their end without anyone asking.

Store first, act after: a step that was stored and not done is done by the next tick, so that acting again is harmless.
Events and ticks are hints only; how a job stands, its runner is asked every time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from chalicelib.domain import fleet_records, records
from chalicelib.domain.errors import (
    BinsightError,
    BlobNotFoundError,
    InvalidArtifactError,
    JobNotFoundError,
    RecordNotFoundError,
    WriteConflictError,
)
from chalicelib.domain.evaluated_answers import MAX_BYTES, evaluated_answers
from chalicelib.domain.golden import GoldenPools
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import FOLLOWED, Model, ModelState, artifact_name, card_name
from chalicelib.domain.model_listing import ModelFilter
from chalicelib.domain.ports import (
    ArtifactInspector,
    BlobStore,
    Cursor,
    IdSource,
    InspectedArtifact,
    JobDefinitions,
    JobRunner,
    Put,
    Record,
    RecordStore,
)
from chalicelib.domain.training_job import (
    EvaluationOrder,
    EvaluationStatus,
    JobOrder,
    JobState,
    JobStatus,
    TrainingRun,
    job_name,
)
from chalicelib.services.model_versions import ModelVersions

LOGGER = logging.getLogger(__name__)
SCHEDULER = "service:scheduler"
PAGE = 100
CHUNK_BYTES = 1 << 20
ARTIFACT, CARDS = "model.tar.gz", {"md": "card.md", "html": "card.html"}
GOLDEN_ANSWERS = "golden-answers.json"


@dataclass(frozen=True)
class TrainingProgress:
    store: RecordStore
    blobs: BlobStore
    inspector: ArtifactInspector
    versions: ModelVersions
    runner: JobRunner
    definitions: JobDefinitions
    new_id: IdSource
    pools: GoldenPools

    def follow(self, job: str) -> None:
        """A hint that a job or an evaluation may have changed; of a job that is not ours it is ignored."""
        try:
            record = self.store.get(records.job_key(job))
        except RecordNotFoundError:
            return
        self.advance(self.versions.get(record.body["model"]))

    def tick(self) -> int:
        """Look after every model whose job is under way; how many there were."""
        followed = [id_ for state in FOLLOWED for id_ in self._ids(state)]
        for id_ in followed:
            self._look_after(id_)
        return len(followed)

    def advance(self, model: Model) -> None:
        """One step on, if there is one. Whoever else takes the same step at the same time does it instead."""
        try:
            if model.state is ModelState.TRAINING:
                self._advance_training(model, model.followed_run())
            elif model.state is ModelState.EVALUATING:
                self._advance_evaluation(model, model.followed_run())
        except WriteConflictError:
            LOGGER.info("model %s was moved by somebody else", model.id)

    def _ids(self, state: ModelState) -> Iterator[str]:
        wanted = ModelFilter(state=state)
        after: Cursor | None = None
        while True:
            page = self.store.query(wanted.partition, index=wanted.index, after=after, limit=PAGE)
            yield from (record.body["id"] for record in page.records)
            if page.next is None:
                return
            after = page.next

    def _look_after(self, id_: str) -> None:
        """One model's trouble does not keep the others waiting; the next tick tries again."""
        try:
            self.advance(self.versions.get(id_))
        except BinsightError as error:
            LOGGER.warning("model %s cannot be followed now: %s", id_, error.detail)

    def _advance_training(self, model: Model, run: TrainingRun) -> None:
        try:
            status = self._asked_to_end(run, self.runner.describe(run.job))
        except JobNotFoundError as error:
            if run.is_ours and not run.is_stopping:
                self.runner.start(self._order(run))
            else:
                self._move(model, ModelState.STOPPED if run.is_stopping else ModelState.FAILED, error.detail)
            return
        seen = replace(model, run=run.seen_as(status))
        if status.state is JobState.RUNNING:
            if not run.logs and status.logs:
                self.versions.update(seen)
        elif status.state is JobState.FAILED:
            self._move(seen, ModelState.FAILED, status.reason)
        elif status.state is JobState.STOPPED or run.is_stopping:
            self._move(seen, ModelState.STOPPED, status.reason)
        else:
            self._begin_evaluation(seen, status)

    def _asked_to_end(self, run: TrainingRun, status: JobStatus) -> JobStatus:
        """Asked at every tick until it has ended: a request to stop may get lost."""
        if status.state is not JobState.RUNNING or not run.is_stopping:
            return status
        self.runner.stop(run.job)
        return self.runner.describe(run.job)

    def _begin_evaluation(self, model: Model, status: JobStatus) -> None:
        run = replace(model.followed_run(), evaluation=job_name("evaluate", self.new_id()))
        moved = replace(model.moved_to(ModelState.EVALUATING), run=run)
        change = Change(SCHEDULER, "model.evaluating", model.id, {"job": run.job, "evaluation": run.evaluation})
        self.versions.change(moved, change, Put(records.job_record(run.evaluation, model.id), expected_version=0))
        self.runner.start_evaluation(evaluation_order(moved, run, status))

    def _advance_evaluation(self, model: Model, run: TrainingRun) -> None:
        try:
            status = self.runner.describe_evaluation(run.evaluation)
        except JobNotFoundError:
            self.runner.start_evaluation(evaluation_order(model, run, self.runner.describe(run.job)))
            return
        seen = replace(model, run=replace(run, evaluation_logs=status.logs))
        if status.state is JobState.RUNNING:
            if run.is_stopping:
                self.runner.stop_evaluation(run.evaluation)
        elif status.state is JobState.FAILED:
            self._move(seen, ModelState.FAILED, f"The evaluation failed: {status.reason}")
        elif status.state is JobState.STOPPED or run.is_stopping:
            self._move(seen, ModelState.STOPPED, status.reason)
        else:
            self._finish(seen, status)

    def _finish(self, model: Model, status: EvaluationStatus) -> None:
        try:
            inspected = self._inspected(model, status)
        except (InvalidArtifactError, BlobNotFoundError) as error:
            self._move(model, ModelState.FAILED, error.detail)
            return
        cards = self._keep_files(inspected.digest, status.files)
        self._keep_answers(model, inspected.digest, status.files)
        ready = replace(
            model.moved_to(ModelState.READY),
            digest=inspected.digest,
            bytes=inspected.bytes,
            manifest=inspected.manifest,
            cards=cards,
        )
        details = {"from": model.state.value, "digest": inspected.digest, "reason": ""}
        self.versions.change(ready, Change(SCHEDULER, "model.ready", model.id, details))

    def _inspected(self, model: Model, status: EvaluationStatus) -> InspectedArtifact:
        if ARTIFACT not in status.files:
            raise InvalidArtifactError(f"Evaluation '{status.name}' ended without a {ARTIFACT}.")
        name = status.files[ARTIFACT]
        with self.blobs.open(name) as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        inspected = self.inspector.inspect(name, digest.hexdigest())
        if inspected.manifest["task"] != model.task.value:
            raise InvalidArtifactError(f"The artifact is for '{inspected.manifest['task']}', not '{model.task.value}'.")
        return inspected

    def _keep_files(self, digest: str, files: Mapping[str, str]) -> tuple[str, ...]:
        self.blobs.copy(files[ARTIFACT], artifact_name(digest))
        cards = tuple(ending for ending, name in CARDS.items() if name in files)
        for ending in cards:
            self.blobs.copy(files[CARDS[ending]], card_name(digest, ending))
        return cards

    def _keep_answers(self, model: Model, digest: str, files: Mapping[str, str]) -> None:
        """What the model answers to the golden pool, so that no endpoint need be asked before it is promoted."""
        if GOLDEN_ANSWERS not in files:
            return
        with self.blobs.open(files[GOLDEN_ANSWERS]) as stream:
            content = stream.read(MAX_BYTES)
        pool = self.pools.of(model.task)
        answers = evaluated_answers(pool, digest, content)
        if answers is None:
            LOGGER.warning("model %s came with answers that are not those to golden pool %s", model.id, pool.name)
            return
        key = fleet_records.pool_key(pool.name, digest)
        self.store.write(Put(Record(key, {"answers": dict(answers)}), expected_version=None))

    def _move(self, model: Model, state: ModelState, reason: str) -> None:
        details = {"from": model.state.value, "reason": reason}
        self.versions.change(
            model.moved_to(state, reason), Change(SCHEDULER, f"model.{state.value}", model.id, details)
        )

    def _order(self, run: TrainingRun) -> JobOrder:
        return JobOrder(run.job, self.definitions(run.definition), run.data, run.hyperparameters)


def evaluation_order(model: Model, run: TrainingRun, status: JobStatus) -> EvaluationOrder:
    return EvaluationOrder(
        name=run.evaluation,
        job=run.job,
        model_name=model.name,
        task=model.task,
        algorithm=run.algorithm,
        artifact=status.artifact,
        data=run.data,
        labels=run.labels,
    )
