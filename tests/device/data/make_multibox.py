"""Writes multibox.json: what MXNet 1.9.1 itself answers, to hold our decoding against.

`python make_multibox.py` where mxnet 1.9.1 and numpy 1.23.5 are installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import mxnet as mx
import numpy as np

MAPS = [[4, 6], [2, 3]]
SIZES = [[0.2, 0.27], [0.5, 0.6]]
RATIOS = [[1, 2, 0.5], [1, 3]]
VARIANCES = [0.1, 0.1, 0.2, 0.2]
NMS_THRESHOLD = 0.45
MIN_SCORE = 0.2
LABELS = 3


def anchors() -> mx.nd.NDArray:
    parts = [
        mx.nd.contrib.MultiBoxPrior(mx.nd.zeros((1, 1, height, width)), sizes=sizes, ratios=ratios)
        for (height, width), sizes, ratios in zip(MAPS, SIZES, RATIOS, strict=True)
    ]
    return mx.nd.concat(*parts, dim=1)


def main() -> None:
    random = np.random.default_rng(3)
    priors = anchors()
    count = priors.shape[1]
    logits = random.normal(0, 1.5, (1, LABELS + 1, count)).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    offsets = random.normal(0, 0.8, (1, count * 4)).astype(np.float32)
    rows = mx.nd.contrib.MultiBoxDetection(
        mx.nd.array(scores), mx.nd.array(offsets), priors,
        threshold=MIN_SCORE, nms_threshold=NMS_THRESHOLD, variances=VARIANCES, clip=True,
    ).asnumpy()[0]  # fmt: skip
    document = {
        "detection": {"feature_maps": MAPS, "sizes": SIZES, "ratios": RATIOS, "variances": VARIANCES,
                      "nms_threshold": NMS_THRESHOLD, "max_boxes": 100, "label_base": 0},
        "min_score": MIN_SCORE,
        "priors": np.round(priors.asnumpy()[0], 6).tolist(),
        "probabilities": np.round(scores, 6).tolist(),
        "offsets": np.round(offsets, 6).tolist(),
        "boxes": np.round(rows[rows[:, 0] >= 0], 5).tolist(),
    }  # fmt: skip
    (Path(__file__).parent / "multibox.json").write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
