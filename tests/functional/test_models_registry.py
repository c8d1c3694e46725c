"""The registry over HTTP: lists, gates, comparison, cards, and what may not come in."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.model import ModelState
from device.runtime.artifact import pack
from tests.device.models import model_folder
from tests.functional.client import Answer, Client
from tests.functional.service import Service, promote, register, running, settings_of, upload

Archives = dict[str, Path]
NAMES = {"waste": "classify", "kitchen": "classify", "bins": "count"}
STATES = ("ready", "approved", "rejected", "retired")
DECISION = {"override": True, "reason": "a small model of the tests"}
GOOD = {"photos": 400, "macro_recall": 0.93, "recall": {"compost": 0.92, "landfill": 0.94, "recycling": 0.93}}


def kind(answer: Answer) -> str:
    return answer.problem.rpartition(":")[2]


def ids(client: Client, query: str = "") -> list[str]:
    return [item["id"] for item in client.get(f"/models{query}").json()["items"]]


def archive(folder: Path, **changes: Any) -> Path:
    """A model packed with other members in its manifest."""
    packed = folder / f"{len(list(folder.iterdir()))}.tar.gz"
    pack(model_folder(folder / f"{packed.stem}-files", "classify", **changes), packed)
    return packed


def measured(folder: Path, **metrics: Any) -> Path:
    return archive(folder, metrics={"validation": {}, "test": {**GOOD, **metrics}})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> Iterator[Service]:
    """Every name in every state, four models each."""
    with running(settings_of(tmp_path_factory.mktemp("shelf") / "home")) as service:
        for name, task in NAMES.items():
            for state in STATES:
                body = {"upload": upload(service.client, archives[task].read_bytes()), "name": name}
                model_id = service.client.post("/models", body).json()["id"]
                move = {"ready": "", "approved": "approve", "rejected": "reject", "retired": "retire"}[state]
                if move:
                    moved = service.client.post(
                        f"/models/{model_id}/{move}", DECISION if move == "approve" else {"reason": "no"}
                    )
                    assert moved.json()["state"] == state
        yield service


FILTERS = [
    dict(zip(("task", "name", "state"), values, strict=True))
    for values in itertools.product(("", "classify", "count"), ("", "waste", "bins", "never"), ("", *STATES))
]


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda wanted: "-".join(filter(None, wanted.values())) or "all")
def test_every_filter_finds_what_it_says_newest_first(shelf: Service, wanted: dict[str, str]) -> None:
    every = shelf.client.get("/models?limit=200").json()["items"]
    expected = [item["id"] for item in every if all(item[name] == value for name, value in wanted.items() if value)]
    query = "&".join(f"{name}={value}" for name, value in wanted.items() if value)
    assert ids(shelf.client, f"?{query}") == expected
    assert len(every) == 12
    assert [item["created_at_s"] for item in every] == sorted((i["created_at_s"] for i in every), reverse=True)


@pytest.mark.parametrize("query", ["", "&task=classify", "&state=ready", "&name=waste", "&task=count&state=approved"])
def test_pages_join_without_a_gap_or_a_repeat(shelf: Service, query: str) -> None:
    found, following = [], ""
    while True:
        page = shelf.client.get(f"/models?limit=1{query}{following}").json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        following = f"&cursor={page['next']}"
    assert found == ids(shelf.client, f"?limit=200{query}")


@pytest.mark.parametrize(
    "query",
    ["stat=ready", "state=redy", "task=dance", "name=Waste", "name=%ef%bd%97aste", "name=w%23STATE", "state="],
)
def test_a_filter_that_does_not_fit_is_refused_not_ignored(shelf: Service, query: str) -> None:
    refused = shelf.client.get(f"/models?{query}")
    assert (refused.status, kind(refused)) == (400, "invalid-query")


def test_a_change_moves_a_model_from_one_list_to_the_other_and_back(empty: Service, archives: Archives) -> None:
    register(empty.client, archives["classify"])
    for move, body, state in (
        ("reject", {}, "rejected"),
        ("approve", DECISION, "approved"),
        ("reject", {}, "rejected"),
    ):
        empty.client.post(f"/models/waste-1/{move}", body)
        found = {each.value: ids(empty.client, f"?state={each.value}") for each in ModelState}
        assert {name: models for name, models in found.items() if models} == {state: ["waste-1"]}


def test_a_model_below_its_gate_is_approved_with_an_override_and_a_reason_only(empty: Service, tmp_path: Path) -> None:
    register(empty.client, measured(tmp_path, macro_recall=0.5))
    refused = empty.client.post("/models/waste-1/approve", {"reason": "it looks fine"})
    assert (refused.status, kind(refused)) == (409, "below-gate")
    assert [finding["rule"] for finding in refused.json()["findings"]] == ["minimum_macro_recall"]
    assert empty.client.get("/models/waste-1").json()["gate"]["passed"] is False
    silent = empty.client.post("/models/waste-1/approve", {"override": True, "reason": " "})
    assert (silent.status, silent.json()["errors"][0]["field"]) == (422, "reason")
    approved = empty.client.post("/models/waste-1/approve", {"override": True, "reason": "for a trial in one kitchen"})
    assert approved.json()["override"] is True
    entry = empty.client.get("/ledger?limit=1").json()["items"][0]
    assert entry["details"]["override"] is True
    assert entry["details"]["reason"] == "for a trial in one kitchen"
    assert [finding["rule"] for finding in entry["details"]["findings"]] == ["minimum_macro_recall"]


def test_a_good_model_needs_no_override_and_none_is_written_down(empty: Service, tmp_path: Path) -> None:
    register(empty.client, measured(tmp_path))
    approved = empty.client.post("/models/waste-1/approve", {"override": True, "reason": "just in case"})
    assert approved.json()["override"] is False
    assert empty.client.get("/ledger?limit=1").json()["items"][0]["details"]["override"] is False


def test_a_model_is_held_against_the_live_one_label_by_label(empty: Service, tmp_path: Path) -> None:
    promote(empty.client, measured(tmp_path))
    assert empty.client.get("/models/waste-1").json()["live"] == ["primary"]
    register(empty.client, measured(tmp_path, recall={"compost": 0.6, "landfill": 0.99, "recycling": 0.99}))
    refused = empty.client.post("/models/waste-2/approve", {})
    assert [finding["rule"] for finding in refused.json()["findings"]] == ["maximum_recall_drop"]
    assert "compost" in refused.json()["detail"]


def test_a_live_model_is_not_retired_before_another_one_answers(empty: Service, archives: Archives) -> None:
    promote(empty.client, archives["classify"])
    refused = empty.client.post("/models/waste-1/retire", {"reason": "old"})
    assert (refused.status, kind(refused), refused.json()["live"]) == (409, "model-in-use", ["primary"])
    promote(empty.client, archives["classify"])
    assert empty.client.post("/models/waste-1/retire", {"reason": "old"}).json()["state"] == "retired"


def test_two_models_are_compared_with_intervals(empty: Service, tmp_path: Path) -> None:
    support = {"compost": 200, "landfill": 200, "recycling": 200}
    register(empty.client, measured(tmp_path, support=support))
    worse = {"compost": 0.5, "landfill": 0.94, "recycling": 0.93}
    register(empty.client, measured(tmp_path, support=support, recall=worse, macro_recall=0.79))
    answer = empty.client.get("/models/waste-1/compare/waste-2").json()
    rows = {row["label"]: row for row in answer["labels"]}
    assert rows["compost"]["difference"] == pytest.approx(-0.42)
    assert rows["compost"]["interval_95"][1] < 0
    assert rows["landfill"]["differs"] is False
    assert answer["metrics"]["macro_recall"]["difference"] == pytest.approx(-0.14)
    assert empty.client.get("/models/waste-1/compare/waste-9").status == 404


def test_a_card_is_made_of_the_manifest_when_none_came_and_shows_no_markup_of_others(
    empty: Service, tmp_path: Path
) -> None:
    training = {"sources": [{"name": "<b>mine</b>", "licence": "CC0"}], "dataset_fingerprint": "f00d"}
    register(empty.client, archive(tmp_path, training=training, metrics={"test": GOOD, "validation": {}}))
    markdown = empty.client.get("/models/waste-1/card").body.decode()
    assert "| macro_recall | 0.93 |" in markdown
    assert "f00d" in markdown
    page = empty.client.get("/models/waste-1/card?format=html").body.decode()
    assert "&lt;b&gt;mine" in page
    assert "<b>" not in page
    assert kind(empty.client.get("/models/waste-1/card?format=pdf")) == "invalid-query"


@pytest.mark.parametrize(
    "model_id",
    [
        "waste-1%0a",
        "WASTE-1",
        "%ef%bd%97aste-1",
        "waste%e2%80%901",
        "waste-%d9%a1",
        "waste-1%00",
        "..",
        "x" * 300,
        "%23",
    ],
)
def test_an_id_with_tricks_in_it_is_no_models(empty: Service, archives: Archives, model_id: str) -> None:
    register(empty.client, archives["classify"])
    for path in (f"/models/{model_id}", f"/models/waste-1/compare/{model_id}", f"/models/{model_id}/card"):
        answer = empty.client.get(path)
        assert (answer.status, kind(answer)) in ((404, "unknown-model"), (404, "unknown-path")), path


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "\uff41", "a_b", "a b", "a\n", "a#b", "x" * 64, "\u00e9", "\u0430"]
)
def test_a_name_that_is_not_plain_is_refused(empty: Service, archives: Archives, name: str) -> None:
    body = {"upload": upload(empty.client, archives["classify"].read_bytes()), "name": name}
    refused = empty.client.post("/models", body)
    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "name")


def test_a_name_of_200_megabytes_is_refused_without_being_repeated(empty: Service) -> None:
    def sent() -> Iterator[bytes]:
        yield b'{"upload": "x", "name": "'
        for _ in range(200):
            yield b"x" * (1 << 20)
        yield b'"}'

    refused = empty.client.call("POST", "/models", sent(), {"Content-Type": "application/json"})
    assert (refused.status, kind(refused)) == (413, "payload-too-large")
    smaller = empty.client.post("/models", {"upload": "x", "name": "x" * (5 << 20)})
    assert smaller.status == 422
    assert len(smaller.body) < 2000
    member = empty.client.post("/models", {"upload": "x", "x" * (1 << 20): 1})
    assert len(member.body) < 2000
    assert empty.client.get("/health").status == 200


def repacked(source: Path, folder: Path, **replaced: bytes) -> Path:
    """The artifact with some members' bytes changed, its digest and archive still in order."""
    target = folder / "changed.tar.gz"
    with tarfile.open(source) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    members |= {name.replace("_json", ".json").replace("_onnx", ".onnx"): data for name, data in replaced.items()}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    target.write_bytes(gzip.compress(stream.getvalue(), mtime=0))
    return target


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ({"manifest_json": b"{"}, "manifest"),
        ({"manifest_json": b"{}"}, "schema"),
        ({"model_onnx": b"not a network"}, "model.onnx"),
        ({"selftest_json": b"{}"}, "selftest.json"),
    ],
)
def test_an_artifact_whose_files_are_not_those_of_its_manifest_is_refused(
    empty: Service, archives: Archives, tmp_path: Path, replaced: dict[str, bytes], said: str
) -> None:
    broken = repacked(archives["classify"], tmp_path, **replaced)
    refused = empty.client.post("/models", {"upload": upload(empty.client, broken.read_bytes())})
    assert (refused.status, kind(refused)) == (422, "invalid-artifact")
    assert said in refused.json()["detail"]
    assert ids(empty.client) == []


def test_an_artifact_with_more_labels_than_its_network_answers_is_refused(empty: Service, tmp_path: Path) -> None:
    labels = [{"name": name, "color": None, "value": None} for name in ("landfill", "compost", "recycling", "glass")]
    decision = {
        "temperature": 1.0,
        "thresholds": {label["name"]: 0.5 for label in labels},
        "ambiguous_margin": 0.1,
        "trained_range": None,
    }
    broken = archive(tmp_path, labels=labels, decision=decision)
    refused = empty.client.post("/models", {"upload": upload(empty.client, broken.read_bytes())})
    assert (refused.status, kind(refused)) == (422, "invalid-artifact")


def test_a_manifest_too_large_for_the_store_is_refused(empty: Service, tmp_path: Path) -> None:
    huge = archive(tmp_path, training={"notes": "x" * 120_000})
    refused = empty.client.post("/models", {"upload": upload(empty.client, huge.read_bytes())})
    assert (refused.status, kind(refused)) == (422, "invalid-artifact")
    assert "120," in refused.json()["detail"] or "12" in refused.json()["detail"]


def test_a_name_belongs_to_one_task(empty: Service, archives: Archives) -> None:
    register(empty.client, archives["classify"])
    body = {"upload": upload(empty.client, archives["count"].read_bytes()), "name": "waste"}
    refused = empty.client.post("/models", body)
    assert (refused.status, kind(refused)) == (409, "task-mismatch")


def test_a_failed_registration_leaves_the_upload_for_another_try(empty: Service, archives: Archives) -> None:
    register(empty.client, archives["classify"])
    body = {"upload": upload(empty.client, archives["count"].read_bytes()), "name": "waste"}
    assert empty.client.post("/models", body).status == 409
    assert empty.client.post("/models", {**body, "name": "bins"}).status == 201
    assert kind(empty.client.post("/models", {**body, "name": "bins"})) == "upload-used"


def test_what_is_listed_is_what_is_got(empty: Service, archives: Archives) -> None:
    register(empty.client, archives["classify"])
    (listed,) = empty.client.get("/models").json()["items"]
    detail = empty.client.get("/models/waste-1").json()
    assert {name: detail[name] for name in listed} == listed
    assert json.dumps(listed).count("manifest") == 0
