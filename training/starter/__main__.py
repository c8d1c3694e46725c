"""Makes the starter model again: `python -m training.starter --data DIR`.

Five folds for the figures, then one more network for the weights that ship; writes model.tar.gz, metrics.json and
card.md beside this file. What is finished is kept in the work folder, so that an interrupted run goes on.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from device.runtime.artifact import ArtifactError
from device.runtime.manifest import ManifestError
from training.calibrate import calibrate_model, choose_decision
from training.datasets.channel import read_channel
from training.datasets.folder import import_folder
from training.datasets.photo_set import DatasetError, PhotoSet, require_trainable
from training.job import REPOSITORY, JobError, JobRequest, code_revision, summary
from training.package import Draft, PackagingError, Provenance, add_calibration, add_self_test, finish
from training.starter.card import write_card
from training.starter.cross_validation import FOLDS, HeldOut, Trial, fold_figures, held_out_answers, pooled
from training.tasks import TASKS

HERE = Path(__file__).resolve().parent
SEED = 0
ALL = "final"


def make(photos: PhotoSet, work: Path, training_python: Path, out: Path, parallel: int = 1) -> dict[str, Any]:
    recipe = json.loads((HERE / "recipe.json").read_text())
    sources = json.loads((HERE / "sources.json").read_text())

    def trial(name: str) -> Trial:
        request = JobRequest(work=work / name, out=out, training_python=training_python)
        return Trial(request, {**recipe, "seed": str(SEED)}, _provenance(photos, sources))

    answers = held_out_answers([trial(f"fold-{number}") for number in range(1, FOLDS + 1)], photos, parallel)
    final = trial(ALL)
    return finish_starter(final, final.train(photos, photos.with_photos(())), answers, out)


def finish_starter(trial: Trial, draft: Draft, answers: Sequence[HeldOut], out: Path) -> dict[str, Any]:
    channels = {name: read_channel(trial.channels / name) for name in ("train", "validation")}
    counts = {**{name: len(photos) for name, photos in channels.items()}, "test": 0}
    together = pooled(answers)
    with draft.predictor() as predictor:
        calibration = calibrate_model(predictor, channels["train"], channels["validation"])
    labels = draft.facts["labels"]
    decision = choose_decision(together.probabilities, together.targets, labels)
    add_calibration(draft, type(calibration)(decision, calibration.scene, calibration.references))
    figures = fold_figures(answers, labels, decision["temperature"])
    manifest = json.loads((draft.folder / "manifest.json").read_text())
    draft.write(metrics={"test": summary(figures)}, training={**manifest["training"], "photos": counts})
    add_self_test(draft, TASKS["classify"].self_test_photos(SEED))
    digest = finish(draft, out / "model.tar.gz")
    metrics = {"labels": labels, "digest": digest, "decision": decision, "cross_validation": figures}
    write_beside(draft, metrics, out)
    return metrics


def write_beside(draft: Draft, metrics: dict[str, Any], out: Path) -> None:
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    manifest = json.loads((draft.folder / "manifest.json").read_text())
    size = (out / "model.tar.gz").stat().st_size
    (out / "card.md").write_text(write_card(metrics, manifest, size, draft.facts["parameters"]))


def _provenance(photos: PhotoSet, sources: Sequence[dict[str, str]]) -> Provenance:
    fingerprint = photos.fingerprint()
    return Provenance("starter", fingerprint, f"starter-{fingerprint[:12]}", code_revision(), {}, sources)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with one folder of photos per class")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "starter")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--training-python", type=Path, default=REPOSITORY / ".venv-train/bin/python")
    parser.add_argument("--parallel", type=int, default=1, help="folds trained at a time")
    options = parser.parse_args(arguments)
    try:
        photos = require_trainable(import_folder(options.data))
        metrics = make(photos, options.work, options.training_python, options.out, options.parallel)
    except (JobError, DatasetError, PackagingError, ArtifactError, ManifestError, OSError) as error:
        print(f"no starter model: {error}", file=sys.stderr)
        return 1
    print(f"macro recall over {FOLDS} folds: {metrics['cross_validation']['macro_recall']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
