"""What only the embedded runtime does: it keeps loaded models, a few of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.adapters.embedded import runtime as embedded
from chalicelib.adapters.embedded.folder_blobs import FolderBlobs
from chalicelib.adapters.embedded.runtime import InProcessRuntime
from chalicelib.domain.errors import ModelUnavailableError
from chalicelib.domain.ports import EndpointState
from tests.device.models import RED, model_folder, plain, png
from tests.integration.serving import folder_blobs, served_model

PHOTO = png(plain(RED))
PATIENCE_S = 60.0


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
        return bool(runtime.predict(served, PHOTO, deadline_s=60).cold)

    assert [is_cold(served) for served in (first, second, first, third)] == [True, True, False, True]
    assert [is_cold(served) for served in (first, second)] == [False, True]


def test_a_model_whose_artifact_is_gone_is_unavailable(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    blobs.delete(f"artifacts/{served.digest}.tar.gz")
    with pytest.raises(ModelUnavailableError) as caught:
        InProcessRuntime(blobs, tmp_path / "cache").predict(served, PHOTO, deadline_s=60)
    assert caught.value.members["retry_after_s"] >= 1


class HeldBlobs(FolderBlobs):
    """Whoever fetches has begun, and goes on when the test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "", b"", time.time)
        self.fetched: list[str] = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def fetch(self, name: str, target: Path) -> None:
        self.fetched.append(name)
        self.begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        super().fetch(name, target)


def test_processes_that_want_the_same_model_at_once_unpack_it_once(tmp_path: Path) -> None:
    blobs = HeldBlobs(tmp_path / "files")
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    runtimes = [InProcessRuntime(blobs, tmp_path / "cache") for _ in range(4)]
    with ThreadPoolExecutor(len(runtimes)) as pool:
        proofs = [pool.submit(runtime.prove, served) for runtime in runtimes]
        assert blobs.begun.wait(PATIENCE_S)
        # Time for the others to come while the first still fetches.
        time.sleep(0.2)
        blobs.may_go_on.set()
        for proof in proofs:
            proof.result()
    assert len(blobs.fetched) == 1


def test_a_folder_that_was_left_half_deleted_is_unpacked_again(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    (tmp_path / "cache" / served.digest).mkdir(parents=True)
    (tmp_path / "cache" / served.digest / "model.onnx").write_bytes(b"old")
    InProcessRuntime(blobs, tmp_path / "cache").prove(served)


def test_an_endpoint_is_being_made_while_its_model_loads(tmp_path: Path) -> None:
    blobs = HeldBlobs(tmp_path / "files")
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    runtime = InProcessRuntime(blobs, tmp_path / "cache")
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(runtime.create, served, {})
        assert blobs.begun.wait(PATIENCE_S)
        state = runtime.describe(served.endpoint).state
        blobs.may_go_on.set()
        making.result()
    assert state is EndpointState.CREATING
    assert runtime.describe(served.endpoint).state is EndpointState.IN_SERVICE


def test_an_endpoint_whose_model_cannot_be_loaded_has_failed_and_says_why_until_it_can(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    archive = tmp_path / "kept.tar.gz"
    blobs.fetch(f"artifacts/{served.digest}.tar.gz", archive)
    blobs.delete(f"artifacts/{served.digest}.tar.gz")
    runtime = InProcessRuntime(blobs, tmp_path / "cache")
    with pytest.raises(ModelUnavailableError):
        runtime.create(served, {})
    status = runtime.describe(served.endpoint)
    assert status.state is EndpointState.FAILED
    assert served.digest in status.reason
    blobs.put(f"artifacts/{served.digest}.tar.gz", archive)
    runtime.create(served, {})
    assert runtime.describe(served.endpoint).state is EndpointState.IN_SERVICE


def test_a_model_that_was_dropped_to_make_room_is_still_in_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "MAX_LOADED", 1)
    blobs = folder_blobs(tmp_path)
    runtime = InProcessRuntime(blobs, tmp_path / "cache")
    first, second = (served_model(model_folder(tmp_path / name, name=name), blobs) for name in ("first", "second"))
    runtime.create(first, {})
    runtime.predict(second, PHOTO, deadline_s=60)
    assert runtime.describe(first.endpoint).state is EndpointState.IN_SERVICE
    assert runtime.predict(first, PHOTO, deadline_s=60).cold


def test_a_photo_among_others_is_answered_as_one_that_is_alone(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    runtime = InProcessRuntime(blobs, tmp_path / "cache")

    def probabilities() -> dict[str, float]:
        return dict(runtime.predict(served, PHOTO, deadline_s=60).answer["probabilities"])

    alone = probabilities()
    with runtime.under_way.one_more():
        assert probabilities() == pytest.approx(alone, abs=1e-5)


def test_threads_that_are_asked_for_are_those_of_every_photo(tmp_path: Path) -> None:
    blobs = folder_blobs(tmp_path)
    served = served_model(model_folder(tmp_path / "waste"), blobs)
    runtime = InProcessRuntime(blobs, tmp_path / "cache", threads=2)
    model = runtime.load(served.digest)
    assert model.alone is model.among_others
