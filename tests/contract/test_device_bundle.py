"""The camera's archive: whole, the same every time, without a secret, and it installs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from device.config import example
from device.version import VERSION
from scripts.device_bundle import main
from tests.device.models import RED, plain, png

TOP = f"binsight-camera-{VERSION}"
NOT_HERE = ("__pycache__", ".pyc", "simulate", "tests", "chalicelib", ".key", "agent.json")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with tarfile.open(main(folder / "made")) as archive:
        archive.extractall(folder, filter="data")
    return folder / TOP


def installed(unpacked: Path, folder: Path) -> Path:
    """As install.sh leaves it on a machine whose packages are there already."""
    command = ["sh", str(unpacked / "install.sh"), "--python", sys.executable, "--no-packages", "--no-service"]
    command += ["--prefix", str(folder / "binsight"), "--settings", str(folder / "settings")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "enrol" in done.stdout
    return folder / "binsight"


def run(prefix: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "device", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(prefix)}
    return subprocess.run(command, cwd=prefix, env=environment, capture_output=True, text=True, check=False)


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    assert main(tmp_path / "a").read_bytes() == main(tmp_path / "b").read_bytes()


def test_it_holds_what_a_camera_needs_and_nothing_else(unpacked: Path) -> None:
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    needed = {"install.sh", "binsight-camera.service", "ca-bundle.pem", "LICENSE"}
    needed |= {f"camera{kind}.txt" for kind in ("", "-3.7", "-opencv", "-openvino")}
    needed |= {"device/__main__.py", "device/lambda_function.py", "device/runtime/predictor.py"}
    assert needed <= names
    assert [name for name in names if any(part in name for part in NOT_HERE)] == []


def test_no_secret_and_no_address_of_this_machine_is_in_it(unpacked: Path) -> None:
    for path in unpacked.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"BEGIN PRIVATE KEY" not in data
            assert str(Path(__file__).parents[2]).encode() not in data


def test_it_installs_twice_and_its_program_runs(unpacked: Path, tmp_path: Path) -> None:
    for _ in range(2):
        prefix = installed(unpacked, tmp_path)
    done = run(prefix, "--help")
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


def test_the_installed_doctor_names_what_is_missing(unpacked: Path, tmp_path: Path) -> None:
    prefix = installed(unpacked, tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(png(plain(RED)))
    (tmp_path / "device.key").write_text("bsd_kitchen-1_secret")
    settings = {
        **example("http://127.0.0.1:9", "kitchen-1"),
        "camera": {"kind": "folder", "path": "photos"},
        "ca_file": str(prefix / "ca-bundle.pem"),
    }
    (tmp_path / "agent.json").write_text(json.dumps(settings))
    done = run(prefix, "doctor", str(tmp_path / "agent.json"))
    assert done.returncode == 1
    assert "ok   camera" in done.stdout
    assert "ok   ca" in done.stdout
    assert "BAD  service" in done.stdout


@pytest.mark.parametrize("engine", ["onnxruntime", "awscam"])
def test_the_unit_finds_code_packages_and_settings_where_they_were_put(
    unpacked: Path, tmp_path: Path, engine: str
) -> None:
    """Below a folder, as on a card that is being made: nothing of this machine is touched."""
    command = ["sh", str(unpacked / "install.sh"), "--root", str(tmp_path), "--python", sys.executable, "--no-packages"]
    subprocess.run([*command, "--engine", engine], check=True, capture_output=True)
    unit = tmp_path / "etc" / "systemd" / "system" / "binsight-camera.service"
    lines = unit.read_text().splitlines()
    assert not [line for line in lines if "@" in line]
    assert "Environment=PYTHONPATH=/opt/binsight:/opt/binsight/packages" in lines
    assert "Environment=BINSIGHT_AGENT=/etc/binsight/agent.json" in lines
    program = "-m device.lambda_function" if engine == "awscam" else "-m device /etc/binsight/agent.json"
    assert f"ExecStart={sys.executable} {program}" in lines
    assert (tmp_path / "opt" / "binsight" / "device" / "lambda_function.py").exists()
    assert (tmp_path / "etc" / "binsight").is_dir()
    if shutil.which("systemd-analyze"):
        verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        # The user that it runs as is made by an installation that is for this machine.
        complaints = [line for line in verified.stderr.splitlines() if "binsight" in line and "User" not in line]
        assert complaints == []


def test_its_own_command_finds_code_and_settings(unpacked: Path, tmp_path: Path) -> None:
    prefix = installed(unpacked, tmp_path)
    command = [str(prefix / "binsight-camera"), "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"BAD  config     {tmp_path / 'settings' / 'agent.json'} cannot be read" in done.stdout
    helped = subprocess.run([command[0]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "install-factory" in helped.stdout


def test_an_unknown_option_is_refused(unpacked: Path) -> None:
    done = subprocess.run(
        ["sh", str(unpacked / "install.sh"), "--motor", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--motor" in done.stderr
