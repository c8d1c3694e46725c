"""The detector's symbol through `mo` of openvino-dev 2023.3, the newest that reads MXNet; DeepLens has one of its own.

BINSIGHT_MO_PYTHON names the Python of an environment that has openvino-dev 2023.3.0 and mxnet 1.9.1.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from training.mxnet_import import mx
from training.networks.small import normalization_parameters
from training.networks.ssd import AnchorLayer, SsdSpec, build_heads, deploy_symbol
from training.networks.ssd_backbone import small_feature_maps

MO_PYTHON = os.environ.get("BINSIGHT_MO_PYTHON", "")
SIDE_PX = 64
SPEC = SsdSpec(3, (AnchorLayer((0.2, 0.3), (1.0, 2.0, 0.5)), AnchorLayer((0.4, 0.6), (1.0, 2.0, 0.5))))
INFER = """
import sys, numpy
from openvino.runtime import Core
model = Core().compile_model(sys.argv[1], "CPU")
numpy.save(sys.argv[3], model([numpy.load(sys.argv[2])])[model.outputs[0]])
"""

pytestmark = pytest.mark.skipif(
    not MO_PYTHON, reason="BINSIGHT_MO_PYTHON names no environment with openvino-dev 2023.3"
)


def write_checkpoint(folder: Path) -> mx.mod.Module:
    symbol = deploy_symbol(build_heads(small_feature_maps((16, 16, 32, 32), 2).symbols, SPEC), SPEC)
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, 3, SIDE_PX, SIDE_PX))], for_training=False)
    mx.random.seed(3)
    np.random.seed(3)
    arguments, auxiliary = normalization_parameters([127.5] * 3, [60.0] * 3)
    module.init_params(mx.init.Normal(0.1), dict(arguments), dict(auxiliary), allow_missing=True)
    module.save_checkpoint(str(folder / "model"), 0)
    return module


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_mo_converts_the_detector_and_openvino_finds_the_same_boxes(tmp_path: Path) -> None:
    module = write_checkpoint(tmp_path)
    picture = np.random.RandomState(1).uniform(0, 255, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    module.forward(mx.io.DataBatch([mx.nd.array(picture)]), is_train=False)
    expected = module.get_outputs()[0].asnumpy()[0]
    np.save(tmp_path / "picture.npy", picture)
    run(
        str(Path(MO_PYTHON).parent / "mo"),
        "--framework=mxnet",
        f"--input_model={tmp_path / 'model-0000.params'}",
        f"--input_symbol={tmp_path / 'model-symbol.json'}",
        f"--input_shape=[1,3,{SIDE_PX},{SIDE_PX}]",
        f"--output_dir={tmp_path}",
        "--model_name=detector",
        "--compress_to_fp16=False",
    )
    run(
        MO_PYTHON, "-c", INFER, str(tmp_path / "detector.xml"), str(tmp_path / "picture.npy"), str(tmp_path / "out.npy")
    )
    rows = np.load(tmp_path / "out.npy").reshape(-1, 7)[:, 1:]
    found = expected[expected[:, 0] >= 0]
    surest = found[np.argsort(-found[:, 1], kind="stable")][:10]
    assert len(surest) == 10
    for row in surest:
        assert np.abs(rows - row).max(axis=1).min() < 5e-3, row
