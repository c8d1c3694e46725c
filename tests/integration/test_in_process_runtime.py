"""What only the embedded runtime does: it keeps loaded models, a few of them."""

from pathlib import Path

import pytest

from chalicelib.adapters.embedded import runtime as embedded
from chalicelib.adapters.embedded.runtime import InProcessRuntime
from chalicelib.domain.errors import ModelUnavailableError
from tests.device.models import RED, model_folder, plain, png
from tests.integration.serving import folder_blobs, served_model

PHOTO = png(plain(RED))


def test_the_model_that_was_not_used_for_longest_is_dropped_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "MAX_LOADED", 2)
    blobs = folder_blobs(tmp_path)
    runtime = InProcessRuntime(blobs, tmp_path / "cache")
    first, second, third = (
        served_model(model_folder(tmp_path / name, name=name), blobs) for name in ("first", "second", "third")
    )

    def is_cold(served: object) -> bool:
        return bool(runtime.predict(served, PHOTO, deadline_s=5).cold)

    assert [is_cold(served) for served in (first, second, first, third)] == [True, True, False, True]
    assert [is_cold(served) for served in (first, second)] == [False, True]


def test_a_model_whose_artifact_is_gone_is_unavailable(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    blobs.delete(f"artifacts/{served.digest}.tar.gz")
    with pytest.raises(ModelUnavailableError) as caught:
        InProcessRuntime(blobs, tmp_path / "cache").predict(served, PHOTO, deadline_s=5)
    assert caught.value.members["retry_after_s"] >= 1
