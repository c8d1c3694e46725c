"""Writes a model's card beside its figures: card.md, card.html, and the worst mistakes as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.card.contact_sheet import contact_sheet
from training.card.document import Card
from training.card.markdown import markdown
from training.card.measured import decisions_section, figures_section, tiles
from training.card.page import page
from training.card.provenance import cautions, limits_section, origin_section, summary
from training.evaluation import Evaluation

MISTAKES = {
    "photo": "Wrong answers, the surest first: what the photo shows, and in red what was answered and how surely.",
    "detect": "What the frame holds, green; what was found, red, and how sure the surest box is.",
}
MARKDOWN_NAME, HTML_NAME, SHEET_NAME = "card.md", "card.html", "mistakes.jpg"


def make_card(manifest: Mapping[str, Any], measured: Mapping[str, Evaluation], digest: str = "") -> Card:
    """`measured`: what on -> its evaluation; the first is the one to judge the model by."""
    first = next(iter(measured.values())).figures
    return Card(
        title=f"Model card: {manifest['name']}",
        summary=summary(manifest),
        tiles=tiles(first),
        cautions=list(cautions(manifest, first)),
        mistakes=MISTAKES["detect" if manifest["task"] == "detect" else "photo"],
        sections=[
            figures_section(next(iter(measured)), first),
            decisions_section(first, manifest["decision"]),
            *(figures_section(name, each.figures) for name, each in list(measured.items())[1:]),
            limits_section(manifest),
            origin_section(manifest, digest),
        ],
    )


def write_card(
    folder: Path, manifest: Mapping[str, Any], measured: Mapping[str, Evaluation], digest: str = "", prefix: str = ""
) -> None:
    """The contact sheet is that of the first of `measured`; without mistakes there is none."""
    card = make_card(manifest, measured, digest)
    sheet = contact_sheet(next(iter(measured.values())).mistakes)
    (folder / f"{prefix}{MARKDOWN_NAME}").write_text(markdown(card), encoding="utf-8")
    (folder / f"{prefix}{HTML_NAME}").write_text(page(card, sheet), encoding="utf-8")
    sheet_file = folder / f"{prefix}{SHEET_NAME}"
    sheet_file.unlink(missing_ok=True)
    if sheet is not None:
        sheet_file.write_bytes(sheet)
