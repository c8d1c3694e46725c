"""agent.json: read once, checked whole, every error names the field and says what to do."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from device.engine_choice import CPU, PROCESSORS, EngineChoice
from device.runtime.document import DocumentError, Section
from device.transport import ADDRESS, is_allowed

ENGINES = ("onnxruntime", "openvino", "mxnet", "awscam")
CAMERAS = ("awscam", "opencv", "folder", "video")
SAMPLERS = ("random", "near_threshold", "by_class", "scene_mismatch")
_DEVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")


class ConfigError(ValueError):
    """agent.json does not fit; the message says where and what to do."""


@dataclass(frozen=True)
class CameraConfig:
    """options: the plug-in's own, e.g. `source` of opencv: 0, /dev/video2, rtsp://..., http://.../stream.mjpg."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultsConfig:
    """An event when `agree` of the last `frames` say the same and it is new; again after `repeat_s` (0: never).

    thumbnail_px: the longer side of the picture that goes with an event; 0 sends none.
    """

    frames: int = 5
    agree: int = 3
    repeat_s: float = 0.0
    thumbnail_px: int = 0
    reference: Optional[str] = None
    expected: Optional[int] = None


@dataclass(frozen=True)
class MqttConfig:
    """topic takes `{"object": label}`."""

    host: str
    port: int = 1883
    topic: str = "deeplens/trash/infer"
    ca_file: Optional[str] = None
    user: Optional[str] = None
    password_file: Optional[str] = None


@dataclass(frozen=True)
class DisplayConfig:
    """port: of the MJPEG stream on 127.0.0.1. fifo: a path such as DeepLens' /tmp/results.mjpeg."""

    port: Optional[int] = 8090
    fifo: Optional[str] = None
    width_px: int = 640


@dataclass(frozen=True)
class CaptureConfig:
    """share: of the frames that the random sampler takes. labels: those that by_class wants, all when empty."""

    samplers: Tuple[str, ...] = ()
    share: float = 0.001
    labels: Tuple[str, ...] = ()
    per_hour: int = 20
    per_day: int = 100
    width_px: int = 1280


@dataclass(frozen=True)
class AgentConfig:
    """The key stands in no repr."""

    service: str
    device: str
    key: str = field(repr=False)
    home: Path
    camera: CameraConfig
    engine: EngineChoice = field(default_factory=EngineChoice)
    ca_file: Optional[str] = None
    results: ResultsConfig = ResultsConfig()
    mqtt: Optional[MqttConfig] = None
    display: Optional[DisplayConfig] = None
    capture: CaptureConfig = CaptureConfig()
    outbox_bytes: int = 64 * 1024 * 1024
    keep_free_bytes: int = 256 * 1024 * 1024


class _Settings(Section):
    def required(self, key: str) -> Any:
        if key not in self.fields:
            raise DocumentError("%s: is missing" % self.at(key))
        return self.fields[key]

    def refuse_others(self, *known: str) -> None:
        for key in self.fields:
            if key not in known:
                raise DocumentError("%s: is no setting; there are %s" % (self.at(key), ", ".join(known)))

    def part(self, key: str) -> Optional[_Settings]:
        return _Settings(self.fields[key], self.at(key)) if self.has(key) else None

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        return self.integer(key, low, high) if self.has(key) else default

    def real(self, key: str, default: float, low: float, high: float) -> float:
        return self.number(key, low, high) if self.has(key) else default

    def texts(self, key: str) -> Tuple[str, ...]:
        return tuple(str(item) for item, _ in self.items(key)) if self.has(key) else ()


def read_config(path: Path) -> AgentConfig:
    """Paths in it are relative to its own folder. Raises: ConfigError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("%s cannot be read: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise ConfigError("%s is not JSON: %s" % (path, error)) from error
    try:
        return _agent(_Settings(document), path.parent)
    except DocumentError as error:
        raise ConfigError("%s: %s" % (path, error)) from error


def read_key(path: Path, device: str) -> str:
    """Raises: ConfigError."""
    try:
        key = path.read_bytes().decode(errors="replace").strip()
    except OSError as error:
        raise ConfigError(
            "%s: the key cannot be read (%s); enrol the camera: python -m device enrol agent.json" % (path, error)
        ) from error
    if not re.fullmatch("bsd_%s_[A-Za-z0-9_-]+" % re.escape(device), key):
        raise ConfigError("%s: this is no key of device %r; a key is one line, bsd_<device>_..." % (path, device))
    return key


def _agent(settings: _Settings, folder: Path) -> AgentConfig:
    settings.refuse_others(
        "service", "device", "key_file", "home", "camera", "engine", "engine_device", "threads", "ca_file",
        "results", "mqtt", "display", "capture", "outbox_mb", "keep_free_mb",
    )  # fmt: skip
    device = _device(settings)
    return AgentConfig(
        service=_service(settings),
        device=device,
        key=read_key(folder / settings.text("key_file"), device),
        home=folder / settings.text("home"),
        camera=_camera(settings, folder),
        engine=_engine(settings),
        ca_file=_path(settings, "ca_file", folder),
        results=_results(settings.part("results")),
        mqtt=_mqtt(settings.part("mqtt"), folder),
        display=_display(settings.part("display"), folder),
        capture=_capture(settings.part("capture")),
        outbox_bytes=settings.whole("outbox_mb", 64, 1, 100_000) << 20,
        keep_free_bytes=settings.whole("keep_free_mb", 256, 0, 1_000_000) << 20,
    )


def _device(settings: _Settings) -> str:
    device = settings.text("device")
    if not _DEVICE.fullmatch(device):
        raise DocumentError("device: %r is no device's id: a-z, 0-9 and '-', 48 characters at the most" % device)
    return device


def _service(settings: _Settings) -> str:
    service = settings.text("service")
    if not is_allowed(service):
        raise DocumentError("service: %s; not %r" % (ADDRESS, service.rpartition("@")[2]))
    return service


def _camera(settings: _Settings, folder: Path) -> CameraConfig:
    camera = _Settings(settings.required("camera"), "camera")
    kind = camera.choice("kind", CAMERAS)
    options = {key: value for key, value in camera.fields.items() if key != "kind"}
    if kind in ("folder", "video"):
        options["path"] = str(folder / camera.text("path"))
    return CameraConfig(kind, options)


def _engine(settings: _Settings) -> EngineChoice:
    name = settings.choice("engine", ENGINES) if settings.has("engine") else "onnxruntime"
    processor = settings.choice("engine_device", PROCESSORS) if settings.has("engine_device") else CPU
    if processor != CPU and name != "openvino":
        raise DocumentError("engine_device: %s is for the engine openvino, not %s; leave it out" % (processor, name))
    return EngineChoice(name, settings.integer("threads", 1, 64) if settings.has("threads") else None, processor)


def _results(settings: Optional[_Settings]) -> ResultsConfig:
    if settings is None:
        return ResultsConfig()
    settings.refuse_others("frames", "agree", "repeat_s", "thumbnail_px", "reference", "expected")
    frames = settings.whole("frames", 5, 1, 100)
    return ResultsConfig(
        frames=frames,
        agree=settings.whole("agree", min(3, frames), 1, frames),
        repeat_s=settings.real("repeat_s", 0.0, 0.0, 86400.0),
        thumbnail_px=settings.whole("thumbnail_px", 0, 0, 160),
        reference=settings.optional_text("reference"),
        expected=settings.integer("expected", 0, 10_000) if settings.has("expected") else None,
    )


def _mqtt(settings: Optional[_Settings], folder: Path) -> Optional[MqttConfig]:
    if settings is None:
        return None
    settings.refuse_others("host", "port", "topic", "ca_file", "user", "password_file")
    topic = settings.optional_text("topic") or MqttConfig.topic
    if "+" in topic or "#" in topic:
        raise DocumentError("mqtt.topic: nothing can be published to %r; leave out + and #" % topic)
    return MqttConfig(
        host=settings.text("host"),
        port=settings.whole("port", 1883, 1, 65535),
        topic=topic,
        ca_file=_path(settings, "ca_file", folder),
        user=settings.optional_text("user"),
        password_file=_path(settings, "password_file", folder),
    )


def _display(settings: Optional[_Settings], folder: Path) -> Optional[DisplayConfig]:
    if settings is None:
        return None
    settings.refuse_others("port", "fifo", "width_px")
    port = settings.integer("port", 0, 65535) if settings.has("port") else None
    return DisplayConfig(port, _path(settings, "fifo", folder), settings.whole("width_px", 640, 64, 4096))


def _capture(settings: Optional[_Settings]) -> CaptureConfig:
    if settings is None:
        return CaptureConfig()
    settings.refuse_others("samplers", "share", "labels", "per_hour", "per_day", "width_px")
    samplers = settings.texts("samplers")
    for name in samplers:
        if name not in SAMPLERS:
            raise DocumentError("capture.samplers: there is no sampler %r; there are %s" % (name, ", ".join(SAMPLERS)))
    return CaptureConfig(
        samplers=samplers,
        share=settings.real("share", 0.001, 0.0, 1.0),
        labels=settings.texts("labels"),
        per_hour=settings.whole("per_hour", 20, 0, 3600),
        per_day=settings.whole("per_day", 100, 0, 86400),
        width_px=settings.whole("width_px", 1280, 32, 4096),
    )


def _path(settings: _Settings, key: str, folder: Path) -> Optional[str]:
    return str(folder / settings.text(key)) if settings.has(key) else None


def example(service: str, device: str, engine: str = "onnxruntime") -> Dict[str, Any]:
    """An agent.json to begin with; on a DeepLens with its own camera and its project stream."""
    on_deeplens = engine == "awscam"
    return {
        "service": service,
        "device": device,
        "key_file": "device.key",
        "home": "home",
        "camera": {"kind": "awscam"} if on_deeplens else {"kind": "opencv", "source": 0},
        "engine": engine,
        "results": {"frames": 5, "agree": 3},
        "display": {"port": 8090, **({"fifo": "/tmp/results.mjpeg"} if on_deeplens else {})},
    }
