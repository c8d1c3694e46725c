"""The commands: listed, described, and told their variables either way."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
SHOW = "show: ; @printf '%s' \"$$DATA\""


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = ("MAKE", "MFLAGS", "DATA", "BINSIGHT")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**inherited, **variables}, capture_output=True, text=True, check=False
    )


def commands() -> list[str]:
    listed = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert listed
    return listed[1].split()


def test_make_alone_lists_every_command_with_a_sentence() -> None:
    printed = make().stdout
    assert [name for name in commands() if not re.search(rf"^  make {name} +\w", printed, re.MULTILINE)] == []


def test_the_readmes_two_commands_are_there() -> None:
    assert {"demo", "test"} <= set(commands())


def test_a_variable_works_as_an_argument() -> None:
    assert make("--eval", SHOW, "show", "DATA=my photos").stdout == "my photos"


def test_a_variable_works_from_the_environment() -> None:
    assert make("--eval", SHOW, "show", DATA="my photos").stdout == "my photos"


def test_a_home_that_is_set_nowhere_is_left_to_the_programs() -> None:
    show = "show: ; @env"
    assert "BINSIGHT_HOME=" not in make("--eval", show, "show").stdout


@pytest.mark.parametrize("part", ["lint", "test", "device-test", "package"])
def test_the_gate_is_all_its_parts(part: str) -> None:
    gate = re.search(r"^check: ([a-z -]*)", MAKEFILE, re.MULTILINE)
    assert gate
    assert part in gate[1].split()


def test_ci_runs_the_gate() -> None:
    assert "make --keep-going check" in (ROOT / ".ci" / "run").read_text()
