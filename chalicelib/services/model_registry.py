"""Use cases of the model registry: what there is, how good it is, and which of it may be promoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain import records
from chalicelib.domain.card import html_card, markdown_card
from chalicelib.domain.comparison import compare
from chalicelib.domain.deployment import Alias
from chalicelib.domain.errors import BelowGateError, InvalidFieldError, ModelInUseError, RecordNotFoundError
from chalicelib.domain.gate import Finding, findings
from chalicelib.domain.inference import Task
from chalicelib.domain.ledger import Change
from chalicelib.domain.model import Model, ModelState, artifact_name, card_name
from chalicelib.domain.model_listing import ModelFilter
from chalicelib.domain.ports import (
    ArtifactInspector,
    BlobStore,
    Cursor,
    InspectedArtifact,
    RecordStore,
    Write,
)
from chalicelib.services.model_use import use_of
from chalicelib.services.model_versions import ModelVersions

CARD_MAKERS = {"md": markdown_card, "html": html_card}


@dataclass(frozen=True)
class ModelRegistry:
    store: RecordStore
    blobs: BlobStore
    inspector: ArtifactInspector
    versions: ModelVersions

    def register_artifact(self, blob_name: str, sha256: str, name: str | None, actor: str, *writes: Write) -> Model:
        """Check the artifact stored under `blob_name`, keep it by its digest, give it the name's next version.

        `writes` go into the same transaction. Raises: InvalidArtifactError, TaskMismatchError, BlobNotFoundError,
        WriteConflictError, StoreUnavailableError.
        """
        inspected = self.inspector.inspect(blob_name, sha256)
        self.blobs.copy(blob_name, artifact_name(inspected.digest))
        return self.versions.add(_draft(name or inspected.manifest["name"], inspected), actor, *writes)

    def get(self, id_: str) -> Model:
        """Raises: ModelNotFoundError."""
        return self.versions.get(id_)

    def page(self, wanted: ModelFilter, after: Cursor | None, limit: int) -> tuple[list[Model], Cursor | None]:
        """Newest first, without their manifests: one read, however many models there are."""
        page = self.store.query(wanted.partition, index=wanted.index, after=after, limit=limit, newest_first=True)
        models = [records.model_from(record) for record in page.records]
        return [model for model in models if wanted.task in (None, model.task)], page.next

    def approve(self, id_: str, actor: str, reason: str, override: bool) -> Model:
        """Raises: ModelNotFoundError, IllegalTransitionError, BelowGateError, InvalidFieldError, WriteConflictError."""
        model = self.get(id_)
        moved = model.moved_to(ModelState.APPROVED, reason)
        missed = self.findings(model)
        if missed:
            _check_override(model, missed, override, reason)
        details = {
            "from": model.state.value,
            "reason": reason,
            "override": bool(missed),
            "findings": [finding.to_json() for finding in missed],
        }
        change = Change(actor, "model.approved", id_, details)
        return self.versions.change(replace(moved, approved_by=actor, override=bool(missed)), change)

    def reject(self, id_: str, actor: str, reason: str) -> Model:
        """A live model goes on answering until another is promoted.

        Raises: ModelNotFoundError, IllegalTransitionError, WriteConflictError.
        """
        model = self.get(id_)
        return self.versions.change(
            model.moved_to(ModelState.REJECTED, reason), _move(model, ModelState.REJECTED, actor, reason)
        )

    def retire(self, id_: str, actor: str, reason: str) -> Model:
        """Refused while the model is at work anywhere; that it is not is checked again in the transaction itself.

        Raises: ModelNotFoundError, IllegalTransitionError, ModelInUseError, WriteConflictError.
        """
        model = self.get(id_)
        retired = model.moved_to(ModelState.RETIRED, reason)
        use = use_of(self.store, model)
        if use.places:
            raise ModelInUseError(
                f"Model {id_} of '{model.task.value}' is at work: {', '.join(use.places)}; promote another one first.",
                live=list(use.places),
            )
        return self.versions.change(retired, _move(model, ModelState.RETIRED, actor, reason), *use.unmoved)

    def findings(self, model: Model) -> tuple[Finding, ...]:
        """What the model misses of its task's gate, against the live model where that is another."""
        return gate_findings(model, self.alias(model.task))

    def alias(self, task: Task) -> Alias | None:
        try:
            return records.alias_from(self.store.get(records.alias_key(task)))
        except RecordNotFoundError:
            return None

    def compare(self, first_id: str, second_id: str) -> dict[str, Any]:
        """Raises: ModelNotFoundError, IllegalTransitionError where one has no artifact yet."""
        first, second = self.get(first_id), self.get(second_id)
        first.served_at("")
        second.served_at("")
        return {"first": first_id, "second": second_id, **compare(first.manifest, second.manifest)}

    def artifact_url(self, id_: str, expires_s: int) -> str:
        """Raises: ModelNotFoundError, IllegalTransitionError."""
        served = self.get(id_).served_at("")
        return self.blobs.download_url(artifact_name(served.digest), expires_s)

    def card(self, id_: str, ending: str) -> str:
        """The card that came with the model, or one made of its manifest; `ending` is md or html.

        Raises: ModelNotFoundError, IllegalTransitionError.
        """
        model = self.get(id_)
        served = model.served_at("")
        if ending not in model.cards:
            return CARD_MAKERS[ending](f"{model.name}, version {model.version}", model.manifest)
        with self.blobs.open(card_name(served.digest, ending)) as stream:
            return stream.read().decode("utf-8", "replace")


def gate_findings(model: Model, alias: Alias | None) -> tuple[Finding, ...]:
    live = alias.primary if alias and alias.primary.model_id != model.id else None
    return findings(model.task, model.manifest, live.manifest if live else None)


def lineage(model: Model) -> Mapping[str, Any]:
    """Where a model comes from: data, code, job, hyperparameters and price."""
    training = model.manifest.get("training") or {}
    run = model.run
    return {
        "dataset_fingerprint": training.get("dataset_fingerprint"),
        "code_revision": training.get("code_revision"),
        "program": training.get("program"),
        "photos": training.get("photos"),
        "sources": training.get("sources"),
        "job": run.job if run else training.get("job"),
        "definition": (run.definition or None) if run else None,
        "algorithm": run.algorithm if run else None,
        "data": dict(run.data) if run else None,
        "hyperparameters": training.get("hyperparameters") or (dict(run.hyperparameters) if run else None),
        "price": run.price if run else None,
        "billable_s": run.billable_s if run else None,
        "logs": (run.logs or None) if run else None,
        "evaluation": (run.evaluation or None) if run else None,
        "evaluation_logs": (run.evaluation_logs or None) if run else None,
    }


def _move(model: Model, state: ModelState, actor: str, reason: str) -> Change:
    return Change(actor, f"model.{state.value}", model.id, {"from": model.state.value, "reason": reason})


def _draft(name: str, inspected: InspectedArtifact) -> Model:
    """Id, version and time are given when it is stored."""
    return Model(
        id="",
        name=name,
        version=0,
        task=Task(inspected.manifest["task"]),
        state=ModelState.READY,
        created_at_s=0.0,
        digest=inspected.digest,
        bytes=inspected.bytes,
        manifest=inspected.manifest,
    )


def _check_override(model: Model, missed: tuple[Finding, ...], override: bool, reason: str) -> None:
    if not override:
        raise BelowGateError(
            f"Model {model.id} misses its gate: {missed[0].detail} Send 'override': true and a 'reason' to approve it "
            "all the same; the ledger keeps both.",
            findings=[finding.to_json() for finding in missed],
        )
    if not reason.strip():
        raise InvalidFieldError(
            "reason: an override needs a reason.", errors=[{"field": "reason", "reason": "an override needs a reason"}]
        )
