from __future__ import annotations

import json
from typing import Any, Dict

import numpy as np
import pytest

from device.runtime import ssd
from device.runtime.decision import ModelOutputError
from device.runtime.manifest import Detection, parse_manifest
from tests.device.models import DATA, manifest_document

MXNET: Dict[str, Any] = json.loads((DATA / "multibox.json").read_text(encoding="utf-8"))


def detection(**changes: Any) -> Detection:
    found = parse_manifest(manifest_document("detect", detection=dict(MXNET["detection"], **changes))).detection
    assert found is not None
    return found


def decoded(min_score: float = MXNET["min_score"], **changes: Any) -> Any:
    chosen = detection(**changes)
    probabilities = np.array(MXNET["probabilities"], dtype=np.float32)
    offsets = np.array(MXNET["offsets"], dtype=np.float32)
    return ssd.decode(probabilities, offsets, ssd.priors(chosen), chosen, min_score)


def test_the_priors_are_mxnet_s() -> None:
    assert np.allclose(ssd.priors(detection()), MXNET["priors"], atol=2e-6)
    assert len(MXNET["priors"]) == detection().anchors


def test_the_boxes_are_mxnet_s() -> None:
    ours = [[raw.label_index, raw.score, raw.box.xmin, raw.box.ymin, raw.box.xmax, raw.box.ymax] for raw in decoded()]
    assert len(ours) == len(MXNET["boxes"])
    assert np.allclose(ours, MXNET["boxes"], atol=3e-5)


def test_the_comparison_holds_boxes_that_were_suppressed() -> None:
    assert len(decoded(nms_threshold=1)) > len(MXNET["boxes"])


def test_boxes_come_the_surest_first_and_no_more_than_asked_for() -> None:
    scores = [raw.score for raw in decoded(max_boxes=5)]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_boxes_under_the_least_score_are_left_out() -> None:
    assert all(raw.score >= 0.5 for raw in decoded(0.5))
    assert decoded(1.1) == []


def test_outputs_of_another_number_of_anchors_are_refused() -> None:
    chosen = detection()
    with pytest.raises(ModelOutputError, match="the manifest has 114 anchors"):
        ssd.decode(np.zeros((1, 4, 7), np.float32), np.zeros((1, 28), np.float32), ssd.priors(chosen), chosen, 0.1)


def test_nan_is_refused() -> None:
    chosen = detection()
    anchors = ssd.priors(chosen)
    offsets = np.full((1, len(anchors) * 4), np.nan, np.float32)
    with pytest.raises(ModelOutputError, match="NaN"):
        ssd.decode(np.zeros((1, 4, len(anchors)), np.float32), offsets, anchors, chosen, 0.1)
