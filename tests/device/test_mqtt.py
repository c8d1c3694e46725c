"""Messages for machines nearby, over a real mosquitto where there is one."""

from __future__ import annotations

import gc
import importlib
import json
import shutil
import socket
import subprocess
import threading
import time
import warnings
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import pytest

from device.config import MqttConfig
from device.mqtt_output import MqttOutput
from device.sense_hat_display import SenseHatDisplay, letter_of, pixels_of
from tests.device.agents import until
from tests.device.models import GREEN, RED, plain
from tests.device.seen import Watched

pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed here")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="there is no mosquitto here; Debian has it")


@pytest.fixture(autouse=True)
def _clients_are_collected() -> Iterator[None]:
    """paho closes its pair of sockets when it is collected, which Python may do after them: that is no leak of ours."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Tuple[str, int]]:
    port = free_port()
    process = started(tmp_path, port)
    yield "127.0.0.1", port
    process.terminate()
    process.wait()


def started(tmp_path: Path, port: int, access: str = "allow_anonymous true") -> "subprocess.Popen[bytes]":
    settings = tmp_path / "mosquitto.conf"
    settings.write_text("listener %d 127.0.0.1\n%s\n" % (port, access))
    process = subprocess.Popen([str(MOSQUITTO), "-c", str(settings)], stderr=subprocess.DEVNULL)
    until(lambda: answers(port))
    return process


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def subscriber(host: str, port: int, heard: List[Tuple[str, Any]]) -> Any:
    mqtt = importlib.import_module("paho.mqtt.client")
    client = mqtt.Client(importlib.import_module("paho.mqtt.enums").CallbackAPIVersion.VERSION2)
    ready = threading.Event()
    client.on_message = lambda _, __, message: heard.append((message.topic, json.loads(message.payload)))
    client.on_subscribe = lambda *_: ready.set()
    client.connect(host, port)
    client.loop_start()
    client.subscribe("#")
    assert ready.wait(60)
    return client


@needs_broker
def test_events_are_published_in_the_form_that_the_sorter_reads(tmp_path: Path, broker: Tuple[str, int]) -> None:
    model, heard = Watched(tmp_path / "model"), []  # type: ignore[var-annotated]
    client = subscriber(*broker, heard)
    output = MqttOutput(MqttConfig(*broker), "kitchen-1")
    for color in (RED, GREEN, (90, 90, 90)):
        output(model.seen(plain(color)))
    until(lambda: len(heard) == 3)
    output.stop()
    client.disconnect()
    client.loop_stop()
    objects = [{"object": label} for label in ("landfill", "compost", "unknown")]
    assert heard == [("deeplens/trash/infer", each) for each in objects]


def test_a_broker_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    model = Watched(tmp_path / "model")
    output = MqttOutput(MqttConfig("127.0.0.1", 9), "kitchen-1")
    seen = model.seen(plain(RED))
    started = time.monotonic()
    for _ in range(500):
        output(seen)
    assert time.monotonic() - started < 20
    output.stop()


@needs_broker
def test_while_the_broker_is_away_the_newest_wait_and_come_in_order(tmp_path: Path) -> None:
    port, heard = free_port(), []  # type: ignore[var-annotated]
    output = MqttOutput(MqttConfig("127.0.0.1", port), "kitchen-1")
    model = Watched(tmp_path / "model")
    red, green = model.seen(plain(RED)), model.seen(plain(GREEN))
    for seen in [red] * 100 + [green, red] * 10:
        output(seen)
    process = started(tmp_path, port)
    client = subscriber("127.0.0.1", port, heard)
    # Connected while nobody listened yet, it has said some of them already.
    output(green)
    until(lambda: heard and heard[-1][1] == {"object": "compost"} and output._waiting == deque())
    said = [message["object"] for _, message in heard]
    expected = ["landfill"] * 80 + ["compost", "landfill"] * 10 + ["compost"]
    assert len(said) >= 1
    assert said == expected[-len(said) :]
    process.terminate()
    process.wait()
    for seen in [red] * 100 + [green] * 99 + [red]:
        output(seen)
    assert [json.loads(each)["object"] for each in output._waiting] == ["compost"] * 99 + ["landfill"]
    output.stop()
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(
    ("payload", "letter"),
    [
        (b'{"object": "compost"}', "C"),
        (b'{"object": "Recycling"}', "R"),
        (b'{"object": "Landfill\\n"}', "L"),
        (b'{"object": "unknown"}', "?"),
        (b'{"object": "cat"}', "?"),
        (b"Loading object detection model", None),
        (b'["compost"]', None),
        (b'{"object": 3}', None),
    ],
)
def test_a_letter_stands_for_each_object(payload: bytes, letter: Any) -> None:
    assert letter_of(payload) == letter


def test_letters_have_the_documented_colours() -> None:
    colors = {"C": [0, 255, 0], "R": [0, 0, 255], "L": [255, 0, 0], "?": [255, 103, 0]}
    for letter, color in colors.items():
        pixels = pixels_of(letter)
        assert len(pixels) == 64
        assert 8 < pixels.count(color) < 40
        assert all(pixel in (color, [0, 0, 0]) for pixel in pixels)


@needs_broker
def test_a_sense_hat_shows_what_the_camera_published_and_goes_dark(
    tmp_path: Path, broker: Tuple[str, int], deeplens: Any
) -> None:
    hats = importlib.import_module("sense_hat")
    display = SenseHatDisplay(hats.SenseHat(), MqttConfig(*broker), shown_s=0.3)
    stop = threading.Event()
    thread = threading.Thread(target=display.run, args=(stop,))
    thread.start()
    assert display.is_subscribed.wait(60)
    output = MqttOutput(MqttConfig(*broker), "kitchen-1")
    output(Watched(tmp_path / "model").seen(plain(GREEN)))
    until(lambda: len(hats.shown) >= 2)
    stop.set()
    thread.join()
    output.stop()
    assert hats.shown[0] == pixels_of("C")
    assert hats.shown[-1] == [[0, 0, 0]] * 64


class Impatient(threading.Event):
    """Waits a moment, however long it is asked to."""

    def wait(self, timeout: Optional[float] = None) -> bool:
        return super().wait(0.02)


@needs_broker
def test_a_sense_hat_waits_for_a_broker_that_comes_later_and_for_one_that_comes_back(
    tmp_path: Path, deeplens: Any
) -> None:
    port = free_port()
    hats = importlib.import_module("sense_hat")
    display = SenseHatDisplay(hats.SenseHat(), MqttConfig("127.0.0.1", port), shown_s=0.1)
    stop = Impatient()
    thread = threading.Thread(target=display.run, args=(stop,))
    thread.start()
    try:
        for _ in range(2):
            display.is_subscribed.clear()
            process = started(tmp_path, port)
            assert display.is_subscribed.wait(60)
            process.terminate()
            process.wait()
    finally:
        stop.set()
        thread.join()


@needs_broker
@pytest.mark.parametrize("end", ["stopped", "without a broker"])
def test_no_letter_stays_lit(tmp_path: Path, deeplens: Any, end: str) -> None:
    port = free_port()
    process = started(tmp_path, port)
    hats = importlib.import_module("sense_hat")
    display = SenseHatDisplay(hats.SenseHat(), MqttConfig("127.0.0.1", port), 60.0 if end == "stopped" else 0.3)
    stop = threading.Event()
    thread = threading.Thread(target=display.run, args=(stop,))
    thread.start()
    assert display.is_subscribed.wait(60)
    output = MqttOutput(MqttConfig("127.0.0.1", port), "kitchen-1")
    output(Watched(tmp_path / "model").seen(plain(RED)))
    until(lambda: hats.shown)
    assert hats.shown == [pixels_of("L")]
    process.terminate()
    process.wait()
    if end == "stopped":
        stop.set()
    until(lambda: hats.shown[-1] == [[0, 0, 0]] * 64)
    stop.set()
    thread.join()
    output.stop()


@needs_broker
def test_a_broker_that_wants_a_password_gets_it_and_says_so_when_it_is_wrong(
    tmp_path: Path, deeplens: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords, port = tmp_path / "passwords", free_port()
    passwords.write_text("pi:sorter\n")
    try:
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    except FileNotFoundError:
        pytest.skip("there is no mosquitto_passwd here")
    monkeypatch.setattr("device.sense_hat_display._PAUSE_S", 0.05)
    process = started(tmp_path, port, "user root\nallow_anonymous false\npassword_file %s" % passwords)
    (tmp_path / "right").write_text("sorter\n")
    (tmp_path / "wrong").write_text("sorted\n")
    config = MqttConfig("127.0.0.1", port, user="pi", password_file=str(tmp_path / "wrong"))
    hats = importlib.import_module("sense_hat")
    stop = threading.Event()
    displays = [
        SenseHatDisplay(hats.SenseHat(), each)
        for each in (config, replace(config, password_file=str(tmp_path / "right")))
    ]
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in displays]
    output = MqttOutput(config, "kitchen-1")
    for thread in threads:
        thread.start()
    assert displays[1].is_subscribed.wait(60)
    until(lambda: "the broker cannot be used: it refuses" in caplog.text and "the MQTT broker refuses" in caplog.text)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    output.stop()
    process.terminate()
    process.wait()
    assert not displays[0].is_subscribed.is_set()
    assert caplog.text.count("cannot be used") == 1
    assert "sorted" not in caplog.text
