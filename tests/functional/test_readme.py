"""What the README promises to a newcomer, pasted as it stands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.functional.test_restart import service_process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STARTER = ROOT / "training" / "starter" / "model.tar.gz"


def pasted(first_word: str) -> list[str]:
    """The README's commands that begin so, from its code blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith(first_word)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_readmes_curl_works_as_pasted(tmp_path: Path) -> None:
    (curl,) = pasted("curl ")
    (run,) = pasted("BINSIGHT_ADMIN_KEY=")
    key = run.split()[0].partition("=")[2]
    with service_process(tmp_path / "home", BINSIGHT_ADMIN_KEY=key, BINSIGHT_STARTER=str(STARTER)) as running:
        command = curl.replace("127.0.0.1:8000", f"127.0.0.1:{running.client.port}")
        answered = subprocess.run(
            ["curl", "--silent", "--noproxy", "*", *shlex.split(command)[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    answer = json.loads(answered.stdout)
    assert answer["label"] in answer["probabilities"]
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert answer["model"] == {**answer["model"], **json.loads(shown)["model"], "digest": answer["model"]["digest"]}
    assert answer["model"]["digest"].startswith(json.loads(shown)["model"]["digest"].rstrip("."))
    assert {name: answer[name] for name in ("label", "unknown", "reasons")} == {
        name: json.loads(shown)[name] for name in ("label", "unknown", "reasons")
    }


def test_the_readmes_files_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_commands_are_the_makefiles() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^|try-me )make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "run", "admin-key"} <= named
    assert named <= targets


def test_the_readmes_answer_has_the_members_of_a_real_one() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert json.loads(shown).keys() == {
        "label",
        "confidence",
        "unknown",
        "reasons",
        "probabilities",
        "model",
        "timings_ms",
    }
