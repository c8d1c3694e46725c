"""Compiles requirements/*.in into files whose every line is pinned and hashed: `make requirements [UPGRADE=1]`.

One universal file serves Python 3.11 to 3.13 on every platform. No header and no annotations: they would carry the
addresses and paths of the machine that compiled them.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "requirements"
LAMBDA_FILE = FOLDER.parent / "requirements.txt"
OPTIONS = [
    *("--universal", "--generate-hashes", "--fork-strategy", "fewest", "--quiet"),
    *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
]
SERVICE_PINS = ["--constraints", "service.txt"]
TRAINING_NUMPY = ["--overrides", "training-overrides.txt"]
# The order matters: what shares packages with the service takes the service's versions.
TARGETS: dict[str, list[str]] = {
    "service": [],
    "test": SERVICE_PINS,
    "lambda": SERVICE_PINS,
    "container": SERVICE_PINS,
    "training": TRAINING_NUMPY,
    "training-test": TRAINING_NUMPY,
    "tune": SERVICE_PINS,
    "sagemaker": [],
    "ministack": [],
    "device": ["--python-version", "3.7"],
    "camera": SERVICE_PINS,
    "camera-3.7": ["--python-version", "3.7"],
    "camera-opencv": ["--python-version", "3.7", "--no-deps"],
    "camera-openvino": ["--python-version", "3.7", "--no-deps"],
    "tools": [],
}


def main() -> None:
    for name, extra in TARGETS.items():
        compile_one(name, extra)


def compile_one(name: str, extra: list[str]) -> None:
    target = LAMBDA_FILE if name == "lambda" else FOLDER / f"{name}.txt"
    version = [] if "--python-version" in extra else ["--python-version", "3.11"]
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *version, *extra, *sys.argv[1:]]
    subprocess.run([*command, f"{name}.in", "--output-file", str(target)], cwd=FOLDER, check=True)
    print(f"requirements: {target.relative_to(FOLDER.parent)}")


if __name__ == "__main__":
    main()
