"""Importer: a SageMaker augmented manifest with a class a photo, Ground Truth's, a hand-made one or our channel's.

    {"source-ref": "s3://bucket/7.jpg", "kind": 2, "kind-metadata": {"class-name": "recycling", "confidence": 0.9,
     "type": "groundtruth/image-classification", "human-annotated": "yes"}}

A hand-made line may leave the metadata out, and may have the name itself in place of the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.datasets.groups import GROUPS, group_column, group_note
from training.datasets.listing import Entry, Listing, find_photo, json_lines, listing_of
from training.datasets.photo_set import DatasetError, Skipped

METADATA = "-metadata"


def read_classified_manifest(manifest: Path, labels: Sequence[str] | None = None) -> Listing:
    """Raises: DatasetError, for a line that is not JSON (its number is named), or when no line can be used."""
    lines = list(json_lines(manifest))
    entries = [_entry(document, manifest, number, labels) for number, document in lines]
    notes = dict.fromkeys(note for _, document in lines for note in group_note(_group_attribute(document)))
    return listing_of(manifest, entries, tuple(notes))


def _entry(document: Mapping[str, Any], manifest: Path, number: int, labels: Sequence[str] | None) -> Entry | Skipped:
    name = f"{manifest.name} line {number}"
    attribute = attribute_of(document)
    if attribute is None:
        return Skipped(name, "it has no label")
    metadata = document.get(f"{attribute}{METADATA}", {})
    if not isinstance(metadata, dict):
        raise DatasetError(f"{manifest} line {number}: {attribute}{METADATA} is no object")
    if "failure-reason" in metadata:
        return Skipped(name, f"labelling failed: {metadata['failure-reason']}")
    label = _label(document[attribute], metadata, labels)
    if isinstance(label, Skipped):
        return Skipped(name, label.reason)
    reference, group = document["source-ref"], _group_attribute(document)
    path = find_photo(manifest.parent, reference)
    return Entry(name, label, reference, path, str(document[group]) if group else "")


def _group_attribute(document: Mapping[str, Any]) -> str | None:
    label = attribute_of(document)
    return group_column(key for key, value in document.items() if key != label and isinstance(value, int | str))


def attribute_of(document: Mapping[str, Any]) -> str | None:
    """The attribute with the label: the one that has metadata, else the first number or text that names no group."""
    described = [key for key in document if f"{key}{METADATA}" in document]
    plain = [
        key
        for key, value in document.items()
        if key not in ("source-ref", "sha256")
        and not key.endswith(METADATA)
        and isinstance(value, int | float | str | list)
    ]
    plain.sort(key=lambda key: key in GROUPS)
    return next(iter([*described, *plain]), None)


def _label(value: Any, metadata: Mapping[str, Any], labels: Sequence[str] | None) -> str | Skipped:
    if isinstance(value, list):
        return Skipped("", "it has several labels, where a classifier gives one")
    if isinstance(value, dict):
        return Skipped("", "it has boxes, where other lines have a class")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if "class-name" in metadata:
        return str(metadata["class-name"])
    named = metadata.get("class-map", {})
    if isinstance(named, dict) and str(value) in named:
        return str(named[str(value)])
    if labels and isinstance(value, int) and 0 <= value < len(labels):
        return labels[value]
    return str(value)
