"""The model store: a start always finds a whole model, whatever happened before."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Tuple

import pytest

from device.model_store import MAX_CRASHES, MAX_STARTS, ModelStore, NoRoomError
from device.runtime.artifact import ArtifactError, pack, verify
from tests.device.models import model_folder

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Tuple[Tuple[Path, str], ...]:
    """Three models that differ, with their digests."""
    folder = tmp_path_factory.mktemp("archives")
    packed = []
    for name in ("one", "two", "three"):
        archive = folder / (name + ".tar.gz")
        packed.append((archive, pack(model_folder(folder / name, name=name), archive)))
    return tuple(packed)


def store_in(folder: Path) -> ModelStore:
    return ModelStore(folder / "models", keep_free_bytes=0)


def test_a_new_camera_has_no_model(tmp_path: Path) -> None:
    assert store_in(tmp_path).begin() is None


def test_the_factory_model_runs_where_nothing_else_does(tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]) -> None:
    digest = store_in(tmp_path).install_factory(archives[0][0])
    assert store_in(tmp_path).begin() == digest == archives[0][1]


def test_an_activated_slot_runs_after_a_restart_and_the_one_before_stays(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    store = store_in(tmp_path)
    for archive, digest in archives[:2]:
        store.stage(archive, digest)
        store.activate(digest, "promotion")
        store.confirm()
    again = store_in(tmp_path)
    assert again.begin() == archives[1][1]
    assert (again.pointer.previous, again.pointer.provisional) == (archives[0][1], False)


def test_a_third_model_takes_the_oldest_slots_place_but_never_the_factorys(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    store = store_in(tmp_path)
    store.install_factory(archives[0][0])
    for archive, digest in archives:
        store.stage(archive, digest)
        store.activate(digest, "promotion")
        store.confirm()
    assert set(store.sizes()) == {digest for _, digest in archives}
    store.stage(archives[0][0], archives[0][1])
    other = ModelStore(tmp_path / "other", keep_free_bytes=0)
    for archive, digest in archives:
        other.stage(archive, digest)
        other.activate(digest, "promotion")
        other.confirm()
    assert set(other.sizes()) == {archives[1][1], archives[2][1]}


def test_a_provisional_model_in_a_crash_loop_is_rolled_back_and_not_tried_again(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    (first, good), (second, bad) = archives[:2]
    store = store_in(tmp_path)
    store.stage(first, good)
    store.activate(good, "before")
    store.confirm()
    store.stage(second, bad)
    store.activate(bad, "now")
    assert [store_in(tmp_path).begin() for _ in range(MAX_STARTS)] == [bad] * MAX_STARTS
    again = store_in(tmp_path)
    assert again.begin() == good
    assert again.is_refused("now", bad)
    assert again.pointer.failure is not None
    assert (again.pointer.failure["code"], again.pointer.failure["deployment"]) == ("crash_loop", "now")


def test_a_start_that_lasted_is_none_of_a_crash_loop(tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]) -> None:
    archive, digest = archives[0]
    store = store_in(tmp_path)
    store.stage(archive, digest)
    store.activate(digest, "now")
    for _ in range(MAX_STARTS + 2):
        again = store_in(tmp_path)
        assert again.begin() == digest
        again.lasted()


@pytest.mark.parametrize("harm", ["missing", "changed", "pointer"])
def test_a_damaged_slot_gives_way_to_the_one_before(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...], harm: str
) -> None:
    store = store_in(tmp_path)
    store.install_factory(archives[0][0])
    for archive, digest in archives[1:]:
        store.stage(archive, digest)
        store.activate(digest, "promotion")
        store.confirm()
    if harm == "missing":
        shutil.rmtree(str(store.slot(archives[2][1])))
    elif harm == "changed":
        (store.slot(archives[2][1]) / "model.onnx").write_bytes(b"other")
    else:
        (tmp_path / "models" / "active.json").write_text("{half")
    expected = archives[0][1] if harm == "pointer" else archives[1][1]
    assert store_in(tmp_path).begin() == expected


def test_an_archive_of_another_digest_is_refused_and_leaves_nothing(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    store = store_in(tmp_path)
    with pytest.raises(ArtifactError, match="digest"):
        store.stage(archives[0][0], archives[1][1])
    assert store.sizes() == {}


def test_a_truncated_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    part = tmp_path / "half.tar.gz"
    part.write_bytes(archives[0][0].read_bytes()[:-40])
    with pytest.raises(ArtifactError):
        store_in(tmp_path).install_factory(part)
    assert store_in(tmp_path).sizes() == {}


def test_a_model_that_leaves_too_little_room_is_refused(tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]) -> None:
    store = ModelStore(tmp_path / "models", keep_free_bytes=1 << 60)
    with pytest.raises(NoRoomError, match="stay free"):
        store.stage(archives[0][0], archives[0][1])


def test_a_disk_that_cannot_be_written_to_does_not_stop_a_roll_back(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    for archive, digest in archives[:2]:
        store.stage(archive, digest)
        store.activate(digest, "promotion")
        if digest == archives[0][1]:
            store.confirm()

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("device.model_store.write_pointer", refuse)
    store.roll_back("engine", "it crashed")
    assert store.pointer.active == archives[0][1]


def test_killed_at_any_moment_of_an_update_it_starts_with_a_whole_model(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    (first, one), (second, two) = archives[:2]
    store = store_in(tmp_path)
    store.stage(first, one)
    store.activate(one, "before")
    store.confirm()
    program = (
        "import sys; from tests.device.test_model_store import *\n"
        "store = store_in(Path(sys.argv[1])); print('up', flush=True)\n"
        "while True:\n"
        "    for archive, digest in zip(sys.argv[2::2], sys.argv[3::2]):\n"
        "        store.stage(Path(archive), digest); store.activate(digest, 'now'); store.confirm()\n"
    )
    order = [str(second), two, str(first), one]
    draw = random.Random(7)
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), *order], stdout=subprocess.PIPE, cwd=str(ROOT)
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(draw.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        again = store_in(tmp_path)
        found = again.begin()
        again.lasted()
        assert found in (one, two)
        verify(again.slot(str(found)))


def confirmed(folder: Path, archives: Tuple[Tuple[Path, str], ...]) -> ModelStore:
    store = store_in(folder)
    for archive, digest in archives[:2]:
        store.stage(archive, digest)
        store.activate(digest, "promotion-" + digest[:4])
        store.confirm()
    return store


def test_a_confirmed_model_whose_engine_ends_the_agent_again_and_again_gives_way_to_the_one_before(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    bad = confirmed(tmp_path, archives).pointer
    for _ in range(MAX_CRASHES - 1):
        store = store_in(tmp_path)
        store.crashed("Segmentation fault")
        assert store.begin() == bad.active
    store = store_in(tmp_path)
    store.crashed("Segmentation fault")
    assert store.begin() == archives[0][1]
    assert store.pointer.failure == {
        "code": "crash_loop",
        "detail": "the engine ended the agent 3 times: Segmentation fault",
        "deployment": bad.deployment,
    }
    assert store.is_refused(bad.deployment, bad.active)


def test_crashes_with_long_runs_between_them_roll_nothing_back(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    active = confirmed(tmp_path, archives).pointer.active
    for _ in range(MAX_CRASHES + 2):
        store = store_in(tmp_path)
        store.crashed("Segmentation fault")
        assert store.begin() == active
        store.lasted()


def test_starts_without_a_crash_never_roll_a_confirmed_model_back(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    active = confirmed(tmp_path, archives).pointer.active
    assert {store_in(tmp_path).begin() for _ in range(MAX_STARTS + 5)} == {active}


def test_a_factory_model_that_crashes_stays_for_there_is_nothing_behind_it(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    digest = store_in(tmp_path).install_factory(archives[0][0])
    for _ in range(MAX_CRASHES + 2):
        store = store_in(tmp_path)
        store.crashed("Segmentation fault")
        assert (store.begin(), store.pointer.failure) == (digest, None)


def test_what_an_older_agent_wrote_down_is_read(tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]) -> None:
    active = confirmed(tmp_path, archives).pointer.active
    path = tmp_path / "models" / "active.json"
    document = json.loads(path.read_text())
    for name in ("crashes", "trial", "trials"):
        del document[name]
    path.write_text(json.dumps({**document, "of_a_newer_agent": 1}))
    assert store_in(tmp_path).begin() == active


class Shrunk(ModelStore):
    """On a disk that has room when what is not needed has gone."""

    def _free(self) -> int:
        return 0 if len(list(self.slots.iterdir())) > 1 else 1 << 30


def test_what_is_being_fetched_stays_when_room_is_made_for_it(
    tmp_path: Path, archives: Tuple[Tuple[Path, str], ...]
) -> None:
    (_, active), (old, gone), (archive, wanted) = archives
    store = store_in(tmp_path)
    for path, digest in (archives[0], (old, gone)):
        store.stage(path, digest)
    store.activate(active, "promotion")
    part = store.downloads / (wanted + ".part")
    shutil.copy(str(archive), str(part))
    (store.downloads / (gone + ".part")).write_bytes(b"old")
    full = Shrunk(tmp_path / "models", keep_free_bytes=0)
    full.make_room(10, wanted)
    assert set(full.sizes()) == {active}
    assert list(full.downloads.iterdir()) == [part]
    full.stage(old, gone)
    full.stage(part, wanted)
    assert set(full.sizes()) == {active, wanted}
