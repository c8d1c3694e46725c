"""The parts of a card that say what the model is, where it comes from, and what not to expect of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.card.document import Section, Table

Manifest = Mapping[str, Any]
TASKS = {
    "classify": "Says which of {labels} a photo shows.",
    "count": "Says how many objects a photo of a bin shows, {first} to {last}, with an interval.",
    "detect": "Finds {labels} in a frame: boxes, and how many of each{sum}.",
}
FEW_PHOTOS, FEW_OF_A_CLASS = 200, 20


def summary(manifest: Manifest) -> str:
    labels = [label["name"] for label in manifest["labels"]]
    has_sum = all(label.get("value") is not None for label in manifest["labels"])
    told = {"labels": _listed(labels), "first": labels[0], "last": labels[-1]}
    return TASKS[manifest["task"]].format(**told, sum=", with their sum" if has_sum else "")


def _listed(labels: list[str], limit: int = 12) -> str:
    named = labels[:limit]
    if len(labels) > limit:
        return f"{', '.join(named)} and {len(labels) - limit} more"
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def cautions(manifest: Manifest, figures: Mapping[str, Any]) -> Iterator[str]:
    sources = (manifest.get("training") or {}).get("sources") or []
    if [source.get("name") for source in sources] == ["rendered"]:
        yield "It was trained on rendered photos. Figures on rendered photos say nothing about real ones."
    if figures["photos"] < FEW_PHOTOS:
        yield f"Measured on {figures['photos']} photos only: read the intervals, not the values."
    rare = [row["label"] for row in figures.get("per_class", []) if _amount(row) < FEW_OF_A_CLASS]
    if rare:
        yield f"Fewer than {FEW_OF_A_CLASS} of each here, so their figures may be luck: {_listed(rare)}."
    if figures.get("ece", 0.0) > figures.get("ece_before_temperature", 1.0):
        yield "On these photos its confidence is no more honest than before the temperature."
    if "ece" in figures and figures["ece"] > 0.05:
        yield f"Its confidence is off by {figures['ece']:.0%} on average: do not read it as a probability."
    yield (
        "Photos of another place, camera or light than those of training are likely to be answered worse; the checks "
        "below catch part of that, not all."
    )


def _amount(row: Mapping[str, Any]) -> int:
    return int(row.get("photos", row.get("objects", 0)))


def limits_section(manifest: Manifest) -> Section:
    """What the training photos looked like: outside of it the model says `unknown`, or should not be trusted."""
    scene = manifest.get("scene")
    if not scene:
        return Section("What it was made for", ["Nothing is known of the training photos; no scene check is done."])
    names = ("brightness", "contrast", "sharpness", "fill", "aspect")
    rows = [(name, *(f"{edge:.4g}" for edge in scene[name])) for name in names if scene.get(name)]
    paragraphs = ["99 of 100 training photos lie within these ranges (brightness and contrast in 0-255)."]
    references = scene.get("references")
    if references:
        paragraphs.append(
            f"A photo further than a cosine distance of {references['max_distance']:.3g} from each of "
            f"{references['count']} reference photos is `unlike_training`; 3% of the validation photos are."
        )
    return Section("What it was made for", paragraphs, [Table(("of a photo", "from", "to"), rows)])


def origin_section(manifest: Manifest, digest: str) -> Section:
    training, spec = manifest.get("training") or {}, manifest["input"]
    facts = [
        ("input", f"{spec['width']} x {spec['height']} pixels, {spec['color_order']}, fit: {spec['fit']}"),
        ("engines", ", ".join(manifest["engines"])),
        *((name.replace("_", " "), str(value)) for name, value in training.items() if isinstance(value, str)),
        *((f"photos, {name}", str(count)) for name, count in (training.get("photos") or {}).items()),
    ]
    if digest:
        facts.insert(0, ("digest", digest))
    tables = [Table(("what", "value"), facts)]
    sources = [(str(each.get("name")), str(each.get("licence"))) for each in training.get("sources") or []]
    if sources:
        tables.append(Table(("photos from", "licence"), sources))
    settings = training.get("hyperparameters") or {}
    if settings:
        rows = [(name, str(value)) for name, value in settings.items()]
        tables.append(Table(("hyperparameter", "value"), rows, folded="Hyperparameters"))
    paragraph = "The photos are not part of the model; licences are those that were told when it was trained."
    return Section("Where it comes from", [paragraph], tables)
