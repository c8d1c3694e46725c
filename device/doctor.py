"""`python -m device doctor agent.json`: what stands in the way of this camera, one line each."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional
from urllib.parse import urlsplit

from device.camera import CameraError, open_camera
from device.cloud import Cloud
from device.cloud_errors import CloudError, RevokedKeyError
from device.config import AgentConfig, ConfigError, read_config
from device.engine_choice import GPU
from device.model_store import ModelStore
from device.runtime.engines import EngineUnavailableError
from device.runtime.engines.awscam_engine import ARTIFACTS
from device.transport import EARLIEST_S, Transport

_LEAST_AWSCAM = (1, 4, 5)
_CLOCK_MAY_DIFFER_S = 300.0


class Finding(NamedTuple):
    """One line of the doctor's."""

    what: str
    is_good: bool
    detail: str

    def __str__(self) -> str:
        return "%-4s %-10s %s" % ("ok" if self.is_good else "BAD", self.what, self.detail)


def examine(config_file: Path) -> List[Finding]:
    """Everything that can be looked at, also when something before it is bad."""
    findings = [_python()]
    try:
        config = read_config(config_file)
    except ConfigError as error:
        return [*findings, Finding("config", False, str(error))]
    findings.append(Finding("config", True, "%s, device %s, service %s" % (config_file, config.device, config.service)))
    checks: List[Callable[[AgentConfig], Finding]] = [_key, _engine, _camera, _disk, _ca, _name]
    if config.engine.name == "awscam" or config.camera.kind == "awscam":
        checks += [_awscam, _artifacts, _optimizer, _project, _firewall]
    return [*findings, *(check(config) for check in checks), *_service_and_clock(config)]


def _python() -> Finding:
    version = "%d.%d.%d" % sys.version_info[:3]
    return Finding("python", sys.version_info >= (3, 7), "%s; 3.7 or newer is needed" % version)


def _key(config: AgentConfig) -> Finding:
    return Finding("key", True, "is there and belongs to %s" % config.device)


def _engine(config: AgentConfig) -> Finding:
    try:
        version = config.engine.check()
    except EngineUnavailableError as error:
        return Finding("engine", False, str(error))
    processor = GPU if config.engine.name == "awscam" else config.engine.processor
    return Finding("engine", True, "%s %s on the %s" % (config.engine.name, version, processor))


def _camera(config: AgentConfig) -> Finding:
    try:
        camera = open_camera(config.camera.kind, config.camera.options)
        try:
            image = camera.next_frame()
        finally:
            camera.close()
    except CameraError as error:
        return Finding("camera", False, str(error))
    if image is None:
        return Finding("camera", False, "%s gives no frame" % config.camera.kind)
    return Finding("camera", True, "%s gives frames of %d x %d" % (config.camera.kind, *image.size))


def _disk(config: AgentConfig) -> Finding:
    try:
        store = ModelStore(config.home / "models", config.keep_free_bytes)
        free = shutil.disk_usage(str(config.home)).free
        probe = config.home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("disk", False, "%s cannot be written to: %s" % (config.home, error))
    used = sum(store.sizes().values()) >> 20
    enough = free > config.keep_free_bytes
    return Finding("disk", enough, "%d MB free, %d MB stay free; models take %d MB" % (
        free >> 20, config.keep_free_bytes >> 20, used))  # fmt: skip


def _ca(config: AgentConfig) -> Finding:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        return Finding("ca", False, "%s cannot be used: %s" % (config.ca_file, error))
    known = context.cert_store_stats()["x509_ca"]
    hint = "" if known else "; set ca_file to ca-bundle.pem of this archive, or to your own authority's file"
    return Finding("ca", known > 0, "%d authorities from %s%s" % (known, config.ca_file or "the system", hint))


def _name(config: AgentConfig) -> Finding:
    host = urlsplit(config.service).hostname or ""
    try:
        addresses = {each[4][0] for each in socket.getaddrinfo(host, None)}
    except OSError as error:
        return Finding("name", False, "%s has no address here: %s" % (host, error))
    return Finding("name", True, "%s is %s" % (host, ", ".join(sorted(map(str, addresses))[:2])))


def _service_and_clock(config: AgentConfig) -> List[Finding]:
    """Reaches it, shows the key and compares the clocks."""
    cloud = Cloud(config.service, config.device, config.key, Transport(config.ca_file, timeout_s=10.0))
    try:
        cloud.target("doctor-" + "0" * 16, None, None)
    except RevokedKeyError as error:
        return [Finding("service", False, str(error)), _clock(cloud.clock_offset_s)]
    except CloudError as error:
        return [Finding("service", False, str(error)), _clock(cloud.clock_offset_s)]
    return [Finding("service", True, "answers, and the key is valid"), _clock(cloud.clock_offset_s)]


def _clock(offset_s: Optional[float]) -> Finding:
    """Events are put right by the offset; certificates are not."""
    now = time.strftime("%Y-%m-%d %H:%M")
    if offset_s is None:
        return Finding("clock", time.time() > EARLIEST_S, "%s; there is nobody to compare it with" % now)
    fits = abs(offset_s) <= _CLOCK_MAY_DIFFER_S
    return Finding("clock", fits, "%s, %s" % (now, "fits" if fits else "%.0f s off the service's" % offset_s))


def _awscam(config: AgentConfig) -> Finding:
    try:
        version = str(getattr(importlib.import_module("awscam"), "__version__", "unknown"))
    except (ImportError, OSError) as error:
        return Finding("awscam", False, "cannot be loaded: %s" % error)
    parts = tuple(int(part) for part in version.split(".") if part.isdigit())
    fits = not parts or parts >= _LEAST_AWSCAM
    return Finding("awscam", fits, "%s; 1.4.5 or newer has Python 3.7" % version)


def _artifacts(config: AgentConfig) -> Finding:
    """Where mo reads and writes: it must belong to the user that the camera runs as."""
    fits = os.access(str(ARTIFACTS), os.W_OK)
    hint = "" if fits else " cannot be written to by this user; chown it, or run as another (install.sh --user)"
    return Finding("artifacts", fits, "%s%s" % (ARTIFACTS, hint))


def _optimizer(config: AgentConfig) -> Finding:
    for name in ("mo", "mxnet"):
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            return Finding("mo", False, "%s cannot be loaded (%s); mo needs mxnet to read models" % (name, error))
    return Finding("mo", True, "mo and mxnet can be loaded")


def _project(config: AgentConfig) -> Finding:
    """Two programs cannot have the camera."""
    found = _output_of(["systemctl", "is-active", "greengrassd"])
    running = found == "active"
    hint = "a project may be running: systemctl stop greengrassd && systemctl disable greengrassd"
    return Finding("project", not running, hint if running else "no Greengrass is running")


def _firewall(config: AgentConfig) -> Finding:
    found = _output_of(["ufw", "status"]) or ""
    return Finding(
        "ufw", True, "%s; what this camera asks for is outgoing" % (found.splitlines()[:1] or ["not there"])[0]
    )


def _output_of(command: List[str]) -> Optional[str]:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip()
