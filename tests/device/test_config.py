"""agent.json: what fits is read, what does not is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device.config import ConfigError, example, read_config


def written(folder: Path, **changes: Any) -> Path:
    (folder / "device.key").write_text("bsd_kitchen-1_secret\n")
    path = folder / "agent.json"
    path.write_text(json.dumps({**example("https://api.example", "kitchen-1"), **changes}))
    return path


def test_the_example_fits(tmp_path: Path) -> None:
    config = read_config(written(tmp_path))
    assert (config.service, config.device, config.camera.kind) == ("https://api.example", "kitchen-1", "opencv")
    assert config.home == tmp_path / "home"


def test_a_deeplens_begins_with_its_own_camera_and_stream(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, **example("https://api.example", "kitchen-1", "awscam")))
    assert (config.engine.name, config.camera.kind) == ("awscam", "awscam")
    assert config.display is not None
    assert config.display.fifo == "/tmp/results.mjpeg"


def test_the_key_stands_in_no_repr(tmp_path: Path) -> None:
    assert "secret" not in repr(read_config(written(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"service": "http://api.example"}, "service: must begin with https"),
        ({"service": None}, "service"),
        ({"service": "https://"}, "service: must begin with https"),
        ({"service": "https://api.example:port"}, "service: must begin with https"),
        ({"service": "https://[2001:db8::1"}, "service: must begin with https"),
        ({"service": "https://api example"}, "service: must begin with https"),
        ({"service": "https://api.example/?stage=prod"}, "service: must begin with https"),
        ({"service": "https://admin:hush@api.example"}, "without user and password; not 'api.example'"),
        ({"device": "Kitchen 1"}, "device: 'Kitchen 1'"),
        ({"device": "garden-1"}, "no key of device 'garden-1'"),
        ({"key_file": "nowhere"}, "enrol"),
        ({"camera": {"kind": "webcam"}}, "camera.kind: must be one of"),
        ({"camera": {"kind": "folder"}}, "camera.path: is missing"),
        ({"engine": "tensorrt"}, "engine: must be one of"),
        ({"results": {"frames": 3, "agree": 4}}, "results.agree"),
        ({"result": {}}, "result: is no setting"),
        ({"mqtt": {"host": "h", "topic": "a/#"}}, "mqtt.topic"),
        ({"capture": {"samplers": ["all"]}}, "capture.samplers"),
        ({"outbox_mb": "64"}, "outbox_mb: must be a whole number"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: Any, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, **changes))
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["{half", "[]", ""])
def test_what_is_no_json_object_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"agent\.json"):
        read_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "agent.json")


@pytest.mark.parametrize(
    "key", ["bsd_kitchen-1_secret\nbsd_kitchen-1_older", "bsd_kitchen-1_secret \u20ac", "bsd_kitchen-1_"]
)
def test_a_file_that_holds_something_beside_the_key_is_named_and_not_shown(tmp_path: Path, key: str) -> None:
    path = written(tmp_path)
    (tmp_path / "device.key").write_text(key, encoding="utf-8")
    with pytest.raises(ConfigError, match="no key of device 'kitchen-1'") as caught:
        read_config(path)
    assert "secret" not in str(caught.value)


def test_a_key_in_letters_of_another_kind_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "device.key").write_bytes("bsd_kitchen-1_secret".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"device\.key"):
        read_config(path)


@pytest.mark.parametrize("service", ["https://[2001:db8::1]", "http://[::1]:8000", "https://api.example/prod"])
def test_addresses_that_fit(tmp_path: Path, service: str) -> None:
    assert read_config(written(tmp_path, service=service)).service == service
