"""What built-in algorithms trained, adopted: labels and input are given once and must fit the files."""

import io
import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from device.runtime.artifact import unpack
from device.runtime.self_test import read_self_test
from training.adopt import Adoption, adopt, main
from training.built_in_files import AdoptionError
from training.container.evaluation import main as evaluation_main

WASTE = Adoption("waste", "classify", ("compost", "landfill", "recycling"), 224)
BANKNOTES = Adoption("banknotes", "detect", ("2000 rub", "1000 rub"), values={"2000 rub": 2000, "1000 rub": 1000})


def built_in(folder: Path, operators: dict[str, Any], **files: str) -> Path:
    """A training job's model.tar.gz with a symbol of these operators."""
    nodes = [{"op": "null", "name": "data"}]
    nodes += [{"op": op, "name": op.lower(), "attrs": attributes} for op, attributes in operators.items()]
    contents = {"net-symbol.json": json.dumps({"nodes": nodes}).encode()}
    contents["net-0010.params"] = struct.pack("<QQ", 0x112, 0) + bytes(64)
    contents |= {name.replace("_json", ".json").replace("_", "-"): text.encode() for name, text in files.items()}
    with tarfile.open(folder / "trained.tar.gz", "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "trained.tar.gz"


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    shapes = json.dumps([{"shape": [1, 3, 224, 224], "name": "data"}])
    operators = {"Convolution": {}, "FullyConnected": {"num_hidden": "3"}, "SoftmaxOutput": {}}
    return built_in(tmp_path, operators, model_shapes_json=shapes)


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return built_in(
        tmp_path, {"_contrib_MultiBoxPrior": {}}, hyperparams_json='{"num_classes": "2", "image_shape": "300"}'
    )


def test_a_classifier_is_adopted_with_its_files_as_they_are(classifier: Path, tmp_path: Path) -> None:
    digest = adopt(classifier, WASTE, tmp_path / "out")
    manifest = unpack(tmp_path / "out" / "model.tar.gz", tmp_path / "model", digest)
    assert manifest.label_names == WASTE.labels
    assert (manifest.container, manifest.engines, manifest.input.width) == ("image-classification", (), 224)
    assert {entry.name for entry in manifest.files} == {"net-symbol.json", "net-0010.params", "model-shapes.json"}
    assert manifest.labels[0].color == (0, 255, 0)


def test_a_detector_knows_its_own_input_and_what_objects_are_worth(detector: Path, tmp_path: Path) -> None:
    adopt(detector, BANKNOTES, tmp_path / "out")
    manifest = unpack(tmp_path / "out" / "model.tar.gz", tmp_path / "model")
    assert (manifest.container, manifest.input.height) == ("object-detection", 300)
    assert [label.value for label in manifest.labels] == [2000, 1000]


@pytest.mark.parametrize(
    ("adoption", "message"),
    [
        (Adoption("waste", "classify", ("compost", "landfill"), 224), "has 3 classes, 2 were named"),
        (Adoption("waste", "classify", ("a", "b", "b\n"), 224), "no two have the same"),
        (Adoption("waste", "classify", WASTE.labels, 256), "takes 224 pixels a side, not 256"),
        (Adoption("waste", "detect", WASTE.labels, 224), "finds no boxes"),
        (Adoption("Waste!", "classify", WASTE.labels, 224), "name"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    classifier: Path, tmp_path: Path, adoption: Adoption, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        adopt(classifier, adoption, tmp_path / "out")
    assert not (tmp_path / "out" / "model.tar.gz").exists()


def test_a_size_that_nobody_says_is_asked_for(tmp_path: Path) -> None:
    artifact = built_in(tmp_path, {"FullyConnected": {"num_hidden": "2"}})
    with pytest.raises(AdoptionError, match="size: the artifact does not say it"):
        adopt(artifact, Adoption("x", "classify", ("a", "b")), tmp_path / "out")


def test_weights_and_archives_that_are_damaged_are_refused(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(AdoptionError, match=r"not one -symbol\.json but 0"):
        adopt(folder, WASTE, tmp_path / "out")
    (folder / "net-symbol.json").write_text('{"nodes": []}')
    with pytest.raises(AdoptionError, match=r"not one \.params file but 0"):
        adopt(folder, WASTE, tmp_path / "out")
    (folder / "net-0000.params").write_bytes(b"nothing")
    with pytest.raises(AdoptionError, match="no file of MXNet's weights"):
        adopt(folder, WASTE, tmp_path / "out")
    classifier.write_bytes(classifier.read_bytes()[:100])
    with pytest.raises(AdoptionError, match="no whole archive"):
        adopt(classifier, WASTE, tmp_path / "out")


def test_what_the_container_answered_becomes_the_self_test(
    detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    (tmp_path / "answer.json").write_text('{"prediction": [[1, 0.9, 0.1, 0.2, 0.3, 0.4], [0, 0.1, 0, 0, 1, 1]]}')
    options = ["--artifact", str(detector), "--name", "banknotes", "--task", "detect", "--labels", "a,b"]
    options += ["--out", str(tmp_path / "out"), "--answer", str(tmp_path / "answer.json")]
    assert main([*options, "--photo", str(tmp_path / "photo.png"), "--value", "a=5"]) == 0
    unpack(tmp_path / "out" / "model.tar.gz", tmp_path / "model")
    photo, document = read_self_test(tmp_path / "model")
    assert photo == (tmp_path / "photo.png").read_bytes()
    assert [each["label"] for each in document.fields["detections"]] == ["b"]
    assert main([*options, "--photo", str(tmp_path / "photo.jpg")]) == 1
    assert "is no PNG" in capsys.readouterr().err


def test_the_evaluation_of_a_built_in_job_packages_what_it_left(classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    options = ["--artifact", str(classifier), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert evaluation_main([*options, "--name", "waste", "--labels", "\n".join(WASTE.labels)]) == 0
    assert unpack(tmp_path / "out" / "model.tar.gz", tmp_path / "model").container == "image-classification"
    assert evaluation_main([*options, "--name", "waste", "--labels", "a\nb"]) == 1
    assert "3 classes, 2 were named" in (tmp_path / "out" / "failure").read_text()
