"""Models as the API answers with them."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.deployment import Alias
from chalicelib.domain.gate import test_metrics
from chalicelib.domain.model import Model
from chalicelib.services.model_registry import gate_findings, lineage
from chalicelib.services.model_use import live_as


def model_json(model: Model) -> dict[str, Any]:
    run = model.run
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "task": model.task.value,
        "state": model.state.value,
        "created_at_s": model.created_at_s,
        "created_by": model.created_by,
        "digest": model.digest,
        "bytes": model.bytes,
        "reason": model.reason,
        "approved_by": model.approved_by,
        "override": model.override,
        "training_job": run.job if run else None,
        "stopping": run.is_stopping if run else False,
        "price": run.price if run else None,
        "logs": (run.logs or None) if run else None,
    }


def model_detail_json(model: Model, alias: Alias | None) -> dict[str, Any]:
    """`gate` is None until there is an artifact to judge."""
    missed = gate_findings(model, alias)
    gate = {"passed": not missed, "findings": [finding.to_json() for finding in missed]}
    return {
        **model_json(model),
        "legal": model.legal_moves,
        "live": live_as(alias, model.id),
        "gate": gate if model.digest else None,
        "metrics": dict(test_metrics(model.manifest)),
        "lineage": dict(lineage(model)),
        "manifest": dict(model.manifest) or None,
    }
