"""Model cards: honest, whole, and able to do nothing but be read."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.training.evaluations import LABELS, evaluation, manifest
from training.card.contact_sheet import contact_sheet
from training.card.provenance import cautions
from training.card.write import write_card
from training.evaluation import THUMBNAIL_PX, Evaluation

VOID = {"meta", "img", "circle", "polyline", "line", "rect", "br"}


class Opened(HTMLParser):
    """Tags that are open; raises at a closing tag that does not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def written(tmp_path: Path, measured: Evaluation | None = None, **parts: object) -> tuple[str, str]:
    shown = {"photos held out": measured or evaluation(), "validation photos": evaluation(30)}
    write_card(tmp_path, manifest(**parts), shown, digest="ab" * 32)
    return (tmp_path / "card.md").read_text(), (tmp_path / "card.html").read_text()


def test_a_card_tells_every_figure_with_its_interval_in_both_forms(tmp_path: Path) -> None:
    figures = evaluation().figures
    for text in written(tmp_path):
        for name in ("macro_recall", "accuracy", "macro_f1", "accuracy_at_90_coverage"):
            low, high = figures["intervals_95"][name]
            assert f"{figures[name]:.1%}" in text
            assert f"{low:.1%} to {high:.1%}" in text
        assert "low_confidence" in text
        assert "ab" * 32 in text


def test_the_page_needs_nothing_else_and_can_do_nothing(tmp_path: Path) -> None:
    _, html = written(tmp_path)
    page = Opened()
    page.feed(html)
    assert not set(page.open) - {"html"}
    assert not page.seen & {"script", "iframe", "link", "object", "form"}
    assert page.seen >= {"svg", "img", "table"}
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert len(html) < 400_000


def test_labels_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    text, html = written(tmp_path)
    assert "<b>recycling" not in html + text
    assert "&lt;b&gt;recycling|&lt;/b&gt;" in html
    assert "recycling\\|" in text
    assert all(label in text for label in LABELS[:2])


def test_without_mistakes_there_is_no_contact_sheet_not_even_an_old_one(tmp_path: Path) -> None:
    written(tmp_path)
    assert (tmp_path / "mistakes.jpg").exists()
    _, html = written(tmp_path, Evaluation(evaluation().figures))
    assert not (tmp_path / "mistakes.jpg").exists()
    assert "Worst mistakes" not in html


def test_the_contact_sheet_has_a_place_for_every_mistake() -> None:
    content = contact_sheet(evaluation().mistakes)
    assert content is not None
    with Image.open(io.BytesIO(content)) as sheet:
        assert sheet.width > 5 * THUMBNAIL_PX
        assert sheet.height > 2 * THUMBNAIL_PX
        left, top = 12 + THUMBNAIL_PX // 2, 12 + THUMBNAIL_PX - 45
        red, green, blue = sheet.convert("RGB").getpixel((left, top))  # type: ignore[misc]
        assert red > 150 > green + blue


@pytest.mark.parametrize(
    ("figures", "parts", "said"),
    [
        ({"photos": 12}, {}, "Measured on 12 photos only"),
        ({"per_class": [{"label": "glass", "photos": 3}]}, {}, "glass"),
        ({"ece": 0.09, "ece_before_temperature": 0.2}, {}, "off by 9% on average"),
        ({"ece": 0.04, "ece_before_temperature": 0.02}, {}, "no more honest than before"),
        ({}, {"training": {"sources": [{"name": "rendered", "licence": "x"}]}}, "nothing about real ones"),
        ({}, {}, "another place, camera or light"),
    ],
)
def test_what_to_know_before_believing_the_figures_is_said(
    figures: dict[str, object], parts: dict[str, object], said: str
) -> None:
    told = list(cautions(manifest(**{"training": {}, **parts}), {"photos": 5000, **figures}))
    assert any(said in each for each in told)
    assert len(told) == (1 if not figures and not parts else 2)
