"""What training writes, held against what the service reads: job definitions and adopted artifacts."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import jsonschema
import pytest

from chalicelib.domain.manifest import checked_manifest
from device.runtime.artifact import unpack
from training.adopt import Adoption, adopt
from training.definition import FOLDER

SCHEMA = json.loads((FOLDER.parent / "job_schema.json").read_text())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_definition_is_as_its_schema_says(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)


def test_an_adopted_model_is_one_that_the_registry_takes(tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    trained.mkdir()
    nodes = [{"op": "null", "name": "data"}, {"op": "FullyConnected", "name": "fc", "attrs": {"num_hidden": "2"}}]
    (trained / "net-symbol.json").write_text(json.dumps({"nodes": nodes}))
    (trained / "net-0000.params").write_bytes(struct.pack("<QQ", 0x112, 0))
    adopt(trained, Adoption("bins", "count", ("0", "1"), 224), tmp_path / "out")
    manifest = unpack(tmp_path / "out" / "model.tar.gz", tmp_path / "model")
    assert checked_manifest(manifest.raw) == manifest.raw
