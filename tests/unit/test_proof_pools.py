"""The golden pools that ship: the same bytes everywhere, and what renders them."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from chalicelib.adapters.golden_pools import FOLDER, PackagedPools
from chalicelib.domain.fleet_errors import PhotoNotFoundError
from chalicelib.domain.inference import Task
from scripts.golden_pool import photo

# Another look is another version, never other bytes under the same name.
DIGESTS = {
    "classify-1.zip": "de7f5e06abbb3afd97134897b2c4610e70527732885902b37c83e40ae3b8d30e",
    "count-1.zip": "2da2902edc08329788e673c43de48ba8de76b2ee61aa4a582275855c9f131340",
    "detect-1.zip": "0e2dcd7ef0ae9e1cfa050f19b1758a8124f972dfa9a1628bf86ac0f21a9cc9ca",
}


def test_the_pools_have_the_bytes_that_every_models_answers_belong_to() -> None:
    shipped = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.zip")}
    assert shipped == DIGESTS
    assert sum(path.stat().st_size for path in FOLDER.glob("*.zip")) <= 1_000_000


@pytest.mark.parametrize("task", Task, ids=lambda task: task.value)
def test_a_pool_has_64_photos_and_each_is_what_its_name_says(task: Task) -> None:
    pools = PackagedPools()
    pool = pools.of(task)
    assert len(pool.photos) == len({each.sha256 for each in pool.photos}) == 64
    for each in pool.photos:
        assert hashlib.sha256(pools.read(each.id)).hexdigest() == each.sha256


@pytest.mark.parametrize("task", Task, ids=lambda task: task.value)
def test_the_renderer_makes_what_was_shipped(task: Task) -> None:
    pools = PackagedPools()
    for number in range(0, 64, 9):
        shipped = Image.open(io.BytesIO(pools.read(f"{task.value}-1-{number:02d}")))
        assert shipped.format == "PNG"
        assert shipped.tobytes() == photo(task.value, number).tobytes()


@pytest.mark.parametrize("name", ["classify-1-64", "classify-2-00", "dance-1-00", "", "../classify-1"])
def test_a_photo_that_is_in_no_pool_is_refused(name: str) -> None:
    with pytest.raises(PhotoNotFoundError):
        PackagedPools().read(name)
