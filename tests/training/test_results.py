"""The program behind docs/results.md: it begins only when all is there, keeps each result, and says what was missed."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.results import RUNS, Aim, interval_of, keep, main


def measured(**figures: Any) -> dict[str, Any]:
    return {"training_s": 90.0, "processor_s": 150.0, "figures": {"photos": 360, **figures}}


def test_missing_data_is_noticed_before_an_hour_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "say where the real data is with DATA" in capsys.readouterr().err
    for run in RUNS:
        (tmp_path / run.data).mkdir(exist_ok=True)
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "names no MXNet checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_result_is_kept_when_it_is_there(tmp_path: Path) -> None:
    keep(tmp_path, "waste", measured(macro_recall=0.95, ece=0.05, intervals_95={"macro_recall": [0.93, 0.97]}))
    keep(tmp_path, "banknotes", measured(map50=0.9, composed_sum_right=0.81, composed_photos=82))
    assert set(json.loads((tmp_path / "results.json").read_text())) == {"waste", "banknotes"}
    lines = (tmp_path / "results.md").read_text().splitlines()[2:]
    assert lines[0] == "| waste | macro recall | 0.93 or more | 0.950 | 0.930 to 0.970 | 360 | 1.5 min | 2.5 min |"
    assert lines[1] == "| waste | ECE after calibration | 0.03 or less, missed | 0.050 | - | 360 | 1.5 min | 2.5 min |"
    assert "| 0.810 | - | 82 | 1.5 min |" in lines[3]
    assert len(lines) == 4


def test_a_figure_measured_again_replaces_the_first(tmp_path: Path) -> None:
    keep(tmp_path, "bins", measured(rmse=1.2))
    keep(tmp_path, "bins", measured(rmse=0.99))
    assert "0.990" in (tmp_path / "results.md").read_text()
    assert "1.200" not in (tmp_path / "results.md").read_text()


def test_an_aim_may_have_two_ends() -> None:
    aim = Aim("interval_80_coverage", "", least=0.78, most=0.84)
    assert aim.text() == "0.78 to 0.84"
    assert [aim.is_met(value) for value in (0.77, 0.8, 0.85)] == [False, True, False]


def test_intervals_of_counts_are_found_too() -> None:
    assert interval_of({"count_intervals_95": {"rmse": [0.9, 1.1]}}, "rmse") == (0.9, 1.1)
