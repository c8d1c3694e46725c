"""The page at `/`, as a person uses it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from device.runtime.artifact import pack
from tests.browser.browser import Browser, browser, missing
from tests.device.models import BLUE, GREEN, RED, banknotes, model_folder, plain
from tests.functional.service import Service, promote, running, settings_of

PAGE = Path(__file__).parents[2] / "chalicelib" / "static" / "index.html"
COLORS = {"landfill": [90, 90, 90], "compost": [0, 160, 60], "recycling": [30, 90, 220]}
in_a_browser = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("coloured")
    labels = [{"name": name, "color": color, "value": None} for name, color in COLORS.items()]
    pack(model_folder(folder / "model", labels=labels), folder / "model.tar.gz")
    with running(settings_of(folder / "home")) as made:
        promote(made.client, folder / "model.tar.gz")
        promote(made.client, archives["detect"])
        yield made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, service: Service) -> Browser:
    """Opened by a newcomer: nothing is kept from before."""
    chromium.open(f"http://127.0.0.1:{service.client.port}/")
    chromium.run("localStorage.clear()")
    chromium.open(f"http://127.0.0.1:{service.client.port}/")
    chromium.complaints()
    return chromium


def photo(folder: Path, image: Any, name: str = "photo.png") -> str:
    image.save(folder / name)
    return str(folder / name)


def unlock(page: Browser, service: Service) -> None:
    page.fill("#key", service.key("inference"))
    page.click("#key-form button")


@in_a_browser
def test_a_newcomer_gives_the_key_once_and_learns_which_bin(page: Browser, service: Service, tmp_path: Path) -> None:
    assert "make run" in page.text("#unlock")
    unlock(page, service)
    page.fill("#library", photo(tmp_path, plain(GREEN, (400, 300))))
    assert page.wait_for("#name") == "compost"
    assert "% sure" in page.text("#sure")
    assert page.text("#bars").split()[0] == "compost"
    assert re.fullmatch(r"Not checked: .*\. Model waste-1 answered in \d+ ms .*", page.text("#facts"))
    assert page.run("return getComputedStyle(document.getElementById('swatch')).backgroundColor") == "rgb(0, 160, 60)"
    assert not page.shows("#why")
    page.open(f"http://127.0.0.1:{service.client.port}/")
    assert not page.shows("#unlock")
    assert page.complaints() == []


@in_a_browser
def test_a_photo_that_was_chosen_before_the_key_is_sent_after_it(
    page: Browser, service: Service, tmp_path: Path
) -> None:
    page.fill("#camera", photo(tmp_path, plain(BLUE)))
    unlock(page, service)
    assert page.wait_for("#name") == "recycling"


@in_a_browser
def test_an_unknown_photo_is_said_to_be_unknown_and_why(page: Browser, service: Service, tmp_path: Path) -> None:
    unlock(page, service)
    page.fill("#library", photo(tmp_path, plain((100, 96, 92))))
    assert page.wait_for("#name") == "Unknown"
    assert page.text("#sure").startswith("Best guess: landfill")
    assert "not sure enough" in page.text("#reasons")
    assert "almost equally likely" in page.text("#reasons")


@in_a_browser
def test_boxes_are_drawn_where_the_objects_are(page: Browser, service: Service, tmp_path: Path) -> None:
    unlock(page, service)
    page.click("label[for=detect]")
    page.fill("#library", photo(tmp_path, banknotes()))
    assert page.wait_for("#name") == "2 objects, worth 3000"
    places = page.run("return [...document.querySelectorAll('#boxes rect')].map((box) => box.getAttribute('x'))")
    assert sorted(map(float, places)) == [0.25, 0.75]


@in_a_browser
def test_a_task_without_a_model_says_how_to_get_one(page: Browser, service: Service, tmp_path: Path) -> None:
    unlock(page, service)
    page.click("label[for=count]")
    page.fill("#library", photo(tmp_path, plain(RED)))
    assert page.wait_for("#problem-title") == "No model is promoted for this task"
    assert "POST /deploy" in page.text("#problem-detail")
    assert page.text("#problem-id").startswith("Request ")


@in_a_browser
def test_a_file_that_is_no_photo_is_refused_in_words(page: Browser, service: Service, tmp_path: Path) -> None:
    unlock(page, service)
    (tmp_path / "notes.txt").write_text("milk, eggs")
    page.fill("#library", str(tmp_path / "notes.txt"))
    assert page.wait_for("#problem-title") == "This is not an image"
    assert not page.shows("#preview")


@in_a_browser
def test_a_key_that_was_revoked_is_asked_for_again(page: Browser, service: Service, tmp_path: Path) -> None:
    page.fill("#key", "bsk_nobody_knows")
    page.click("#key-form button")
    page.fill("#library", photo(tmp_path, plain(RED)))
    assert page.wait_for("#problem-title") == "This key is not valid"
    assert page.shows("#unlock")
    page.run("document.getElementById('key').value = ''")
    unlock(page, service)
    assert page.wait_for("#name") == "landfill"


@in_a_browser
def test_a_phone_sized_photo_is_made_smaller_before_it_is_sent(page: Browser, service: Service, tmp_path: Path) -> None:
    unlock(page, service)
    noise = Image.effect_noise((3000, 2000), 120).convert("RGB")
    large = photo(tmp_path, Image.blend(noise, plain(GREEN, noise.size), 0.5))
    assert Path(large).stat().st_size > 5_000_000
    page.fill("#library", large)
    assert page.wait_for("#name")
    assert page.text("#shrunk").startswith("Sent as 2048 \u00d7 1365")


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_allows_only_itself() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"\son\w+=|\sstyle=", text)
    for directive, content in (("script", "script"), ("style", "style")):
        (body,) = re.findall(f"<{content}>(.*?)</{content}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{directive}-src 'sha256-{digest}'" in text


def test_every_field_has_a_label_and_every_reason_a_sentence() -> None:
    text = PAGE.read_text(encoding="utf-8")
    fields = re.findall(r'<input[^>]*\bid="([^"]+)"', text)
    assert fields
    assert all(f'for="{field}"' in text for field in fields)
    reasons = ("low_confidence", "ambiguous", "too_dark", "overexposed", "blurred", "unlike_training")
    assert all(re.search(rf"^  {reason}: \"", text, re.MULTILINE) for reason in reasons)
