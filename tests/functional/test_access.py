"""Keys: who may call what, from the first request to the revoked key."""

from __future__ import annotations

import pytest

from tests.device.models import RED, jpeg, plain
from tests.functional.service import Service, running, settings_of

MB = 1024 * 1024
PHOTO = jpeg(plain(RED))


@pytest.mark.parametrize("body", [b"", b"{", PHOTO, bytes(12 * MB)], ids=["nothing", "junk", "a photo", "12 MB"])
@pytest.mark.parametrize("path", ["/classify", "/keys", "/models", "/uploads", "/deploy"])
def test_without_a_key_the_body_does_not_matter(serving: Service, path: str, body: bytes) -> None:
    answer = serving.stranger.call("POST", path, body)
    assert (answer.status, answer.problem) == (401, "missing-key")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong",
        "Bearer bsk_aaaaaaaaaaaaaaaa_" + "0" * 48,
        "Bearer bsk__",
        "Bearer bsk_",
        "Bearer \xfc\xdf",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "an-admin-key-of-the-tests",
    ],
)
def test_a_key_that_is_not_ours_is_refused(serving: Service, authorization: str) -> None:
    answer = serving.stranger.call("POST", "/classify", PHOTO, {"Authorization": authorization})
    assert (answer.status, answer.problem) == (401, "invalid-key")


def test_a_known_id_with_another_secret_is_refused(serving: Service) -> None:
    key = serving.key("inference")
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert serving.client.with_key(other).get("/models").problem == "invalid-key"


def test_the_scheme_is_not_case_sensitive(serving: Service) -> None:
    headers = {"Authorization": f"bearer  {serving.key('inference')}"}
    assert serving.stranger.call("POST", "/classify", PHOTO, headers).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("DELETE", "/keys/x"),
        ("POST", "/models"),
        ("POST", "/deploy"),
        ("GET", "/ledger"),
        ("GET", "/models/waste-1/artifact"),
    ],
)
def test_an_inference_key_may_not_administer(serving: Service, method: str, path: str) -> None:
    answer = serving.client.with_key(serving.key("inference")).call(method, path, b"{")
    assert (answer.status, answer.problem) == (403, "missing-scope")
    assert "admin" in answer.json()["detail"]


def test_an_inference_key_may_ask_and_look(serving: Service) -> None:
    client = serving.client.with_key(serving.key("inference"))
    assert client.call("POST", "/classify", PHOTO).status == 200
    assert client.get("/models").status == 200
    assert client.get("/models/waste-1").status == 200


def test_an_admin_key_may_ask_too(serving: Service) -> None:
    assert serving.client.with_key(serving.key("admin")).call("POST", "/classify", PHOTO).status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/openapi.yaml", "/docs"])
def test_the_page_the_contract_and_health_need_no_key(serving: Service, path: str) -> None:
    assert serving.stranger.get(path).status == 200


def test_a_key_lives_from_its_making_to_its_revocation(empty: Service) -> None:
    made = empty.client.post("/keys", {"name": "phone app", "scopes": ["inference"]})
    assert made.status == 201
    owner = empty.client.with_key(made.json()["key"])
    assert owner.get("/models").status == 200
    assert empty.client.call("DELETE", f"/keys/{made.json()['id']}").status == 204
    assert owner.get("/models").problem == "invalid-key"
    assert empty.client.call("DELETE", f"/keys/{made.json()['id']}").problem == "unknown-key"


def test_keys_are_listed_newest_first_by_pages_and_without_their_secrets(empty: Service) -> None:
    tokens = [empty.key("inference") for _ in range(5)]
    first = empty.client.get("/keys?limit=3").json()
    second = empty.client.get(f"/keys?limit=3&cursor={first['next']}").json()
    listed = first["items"] + second["items"]
    assert [each["id"] for each in listed] == [token.split("_")[1] for token in reversed(tokens)]
    assert second["next"] is None
    assert all(each.keys() == {"id", "name", "scopes", "created_at_s"} for each in listed)


def test_only_the_hash_of_a_key_is_on_the_disk(empty: Service) -> None:
    secret = empty.key("admin").split("_")[2]
    stored = b"".join(path.read_bytes() for path in empty.settings.home.rglob("*") if path.is_file())
    assert b"sha256" in stored
    assert secret.encode() not in stored


def test_a_key_over_its_rate_is_told_when_to_come_back(tmp_path) -> None:
    with running(settings_of(tmp_path, BINSIGHT_RATE_PER_S="0.02")) as service:
        client = service.client.with_key(service.key("inference"))
        assert client.get("/models").status == 200
        refused = client.get("/models")
        assert (refused.status, refused.problem) == (429, "rate-limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 50
        other = service.client.with_key(service.key("inference"))
        assert other.get("/models").status == 200


def test_admin_keys_have_no_rate(tmp_path) -> None:
    with running(settings_of(tmp_path, BINSIGHT_RATE_PER_S="0.02")) as service:
        client = service.client.with_key(service.key("admin"))
        assert [client.get("/models").status for _ in range(5)] == [200] * 5
