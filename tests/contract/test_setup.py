"""Set-up on somebody else's machine: which Python, what is missing, what cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environment

ROOT = Path(__file__).resolve().parents[2]


def find_python(*versions: str, path: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHON": "", "PYENV_ROOT": "/nowhere", **variables}
    if path is not None:
        settings["PATH"] = f"{path}:/usr/bin:/bin"
    command = ["/bin/sh", str(ROOT / "scripts" / "find_python.sh"), *versions]
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


def fake_python(folder: Path, name: str, version: str, makes_environments: bool) -> Path:
    """An interpreter that answers the two questions which the search asks."""
    program = folder / name
    outcome = 0 if makes_environments else 1
    program.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) exit {outcome} ;; esac\n')
    program.chmod(0o755)
    return program


def training_in(folder: Path, **changes: str) -> environment.Environment:
    settings = {"name": "training", "folder": str(folder), "purpose": "a test", "optional_wheel": "mxnet", **changes}
    return environment.Environment(**settings)  # type: ignore[arg-type]


def test_the_newest_suitable_python_is_taken(tmp_path: Path) -> None:
    for version in ("3.11", "3.13"):
        fake_python(tmp_path, f"python{version}", version, makes_environments=True)
    assert find_python("3.13", "3.12", "3.11", path=tmp_path).stdout.strip() == "python3.13"


def test_a_python_that_cannot_make_environments_comes_last(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.13", "3.13", makes_environments=False)
    fake_python(tmp_path, "python3.11", "3.11", makes_environments=True)
    assert find_python("3.13", "3.12", "3.11", path=tmp_path).stdout.strip() == "python3.11"


def test_a_python_that_cannot_make_environments_is_better_than_none(tmp_path: Path) -> None:
    fake_python(tmp_path, "python9.9", "9.9", makes_environments=False)
    assert find_python("9.9", path=tmp_path).stdout.strip() == "python9.9"


def test_an_unsuitable_python_that_was_named_is_refused_by_name(tmp_path: Path) -> None:
    old = fake_python(tmp_path, "old", "3.8", makes_environments=True)
    result = find_python("3.13", "3.12", "3.11", PYTHON=str(old))
    assert (result.returncode, str(old) in result.stderr) == (1, True)


def test_a_machine_without_any_python_is_told_what_to_do(tmp_path: Path) -> None:
    result = find_python("9.9", path=tmp_path)
    assert (result.returncode, "make PYTHON=" in result.stderr) == (1, True)


def test_what_is_missing_is_one_line_to_paste() -> None:
    message = environment.how_to_install(["python3-venv", "libquadmath0", "libgomp1"])
    assert "    sudo apt-get install -y libgomp1 libquadmath0 python3-venv\n" in message


def test_a_library_that_is_not_there_does_not_load() -> None:
    assert not environment.loads("libnobodyhasthis.so.1")


def test_every_library_that_is_asked_for_has_a_package() -> None:
    wanted = {library for each in environment.ENVIRONMENTS.values() for library in each.libraries}
    assert wanted <= set(environment.DEBIAN_PACKAGES)


def test_an_environment_is_ready_only_with_the_digest_it_was_made_from(tmp_path: Path) -> None:
    made = training_in(tmp_path)
    made.python.parent.mkdir()
    made.python.symlink_to(sys.executable)
    made.stamp.write_text("another digest")
    assert not environment.is_ready(made)
    made.stamp.write_text(made.digest)
    assert environment.is_ready(made)


def test_another_python_is_another_digest(tmp_path: Path) -> None:
    assert training_in(tmp_path).digest != training_in(tmp_path, python_version="3.7").digest


def test_what_is_known_to_be_impossible_is_not_tried_again(tmp_path: Path) -> None:
    impossible = training_in(tmp_path)
    impossible.unavailable.write_text(f"{impossible.digest}\nThere is no mxnet wheel for Plan 9.\n")
    assert environment.is_ready(impossible)


def test_a_wheel_that_loads_is_no_problem() -> None:
    service = environment.ENVIRONMENTS["service"]
    assert environment.loading_problem(service) == ""


def test_size_is_counted_in_blocks_as_du_does(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1_000_000))
    assert environment.installed_mb(tmp_path) == pytest.approx(1.0, abs=0.1)
