"""The requirement files say what is installed, and nothing about where from."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILED = sorted(ROOT.glob("requirements/*.txt"))
HASHED = [path for path in [ROOT / "requirements.txt", *COMPILED] if path.name != "training-overrides.txt"]
EVERY = [ROOT / "requirements.txt", *COMPILED, *sorted(ROOT.glob("requirements/*.in"))]
ADDRESS = re.compile(r"://|--index-url|--extra-index-url|--find-links")


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def named(path: Path) -> set[str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r"))]
    return {re.split(r"[\[<>=!~ ;]", line)[0].lower() for line in lines}


def service_file() -> Path:
    return ROOT / "requirements" / "service.txt"


def test_there_are_requirement_files_to_look_at() -> None:
    assert len(HASHED) >= 6


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.name)
def test_no_line_names_an_address_or_an_index(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if ADDRESS.search(line)] == []


@pytest.mark.parametrize("path", HASHED, ids=lambda path: path.name)
def test_every_pin_carries_a_hash(path: Path) -> None:
    blocks = re.split(r"\n(?=\w)", path.read_text().strip())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements/*.in")), ids=lambda path: path.name)
def test_what_is_asked_for_is_in_the_compiled_file(path: Path) -> None:
    compiled = ROOT / "requirements.txt" if path.stem == "lambda" else path.with_suffix(".txt")
    assert named(path) - set(pins(compiled)) == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements/test.txt"])
def test_what_is_tested_and_deployed_is_what_the_service_runs(name: str) -> None:
    service, other = pins(service_file()), pins(ROOT / name)
    shared = service.keys() & other.keys()
    assert len(shared) >= 5
    assert {package: other[package] for package in shared} == {package: service[package] for package in shared}


@pytest.mark.parametrize("package", ["pillow", "onnxruntime"])
def test_training_is_tested_with_what_serves(package: str) -> None:
    assert pins(ROOT / "requirements" / "training-test.txt")[package] == pins(service_file())[package]


def test_training_is_tested_with_what_trains() -> None:
    training, tested = (pins(ROOT / "requirements" / name) for name in ("training.txt", "training-test.txt"))
    assert {package: tested[package] for package in training} == training


def test_nothing_heavy_enters_the_lambda() -> None:
    heavy = {"boto3", "botocore", "chalice", "mxnet", "numpy", "onnxruntime", "sagemaker", "sagemaker-core"}
    assert set(pins(ROOT / "requirements.txt")) & heavy == set()


def test_sagemakers_sdk_has_an_environment_of_its_own() -> None:
    holders = {path.name for path in HASHED if {"sagemaker", "sagemaker-core"} & set(pins(path))}
    assert holders == {"sagemaker.txt"}
