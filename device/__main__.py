"""`python -m device agent.json` runs the camera; `--help` tells the other commands."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from device.camera import CameraError
from device.cloud_errors import CloudError
from device.config import ConfigError, example, read_config
from device.doctor import examine
from device.durable import read_json, write_whole
from device.engine_choice import CPU, PROCESSORS, EngineChoice
from device.enrolment import enrol
from device.model_store import ModelStore
from device.runtime.artifact import ArtifactError
from device.runtime.engines import EngineUnavailableError
from device.runtime.manifest import ManifestError
from device.station import capture_once, run_until_stopped
from device.trial import TrialError, load_tested
from device.version import VERSION

EXPECTED = (ConfigError, CameraError, EngineUnavailableError, CloudError, TrialError, ArtifactError, ManifestError)
Command = Callable[[argparse.Namespace], int]


def run(options: argparse.Namespace) -> int:
    return 0 if run_until_stopped(read_config(options.config)) else 1


def doctor(options: argparse.Namespace) -> int:
    findings = examine(options.config)
    for finding in findings:
        print(finding)
    return 0 if all(finding.is_good for finding in findings) else 1


def self_test(options: argparse.Namespace) -> int:
    load_tested(options.slot, EngineChoice(options.engine, options.threads, options.engine_device)).close()
    print("the model loads and answers its own test")
    return 0


def install_factory(options: argparse.Namespace) -> int:
    config = read_config(options.config)
    digest = ModelStore(config.home / "models", config.keep_free_bytes).install_factory(options.archive)
    print("factory model %s" % digest)
    return 0


def capture(options: argparse.Namespace) -> int:
    print(capture_once(read_config(options.config), options.folder))
    return 0


def enrol_camera(options: argparse.Namespace) -> int:
    """The code comes from the environment or the standard input, so that it stands in no list of processes."""
    code = os.environ.get("BINSIGHT_CODE") or sys.stdin.readline().strip()
    _check_place(options.config.parent)
    device, key = enrol(options.service, code, options.engine, options.site, options.ca_file)
    before = os.umask(0o077)
    try:
        _write_settings(options, device, key)
    finally:
        os.umask(before)
    print("enrolled as %s; the key is in %s" % (device, options.config.parent / "device.key"))
    return 0


def _check_place(folder: Path) -> None:
    """Before a code is used up for a key that could be kept nowhere. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".enrol"
    probe.write_bytes(b"")
    probe.unlink()


def _write_settings(options: argparse.Namespace, device: str, key: str) -> None:
    folder = options.config.parent
    write_whole(folder / "device.key", key.encode())
    # A camera that is enrolled anew keeps its settings.
    document = read_json(options.config) or example(options.service, device, options.engine)
    document.update(service=options.service, device=device, engine=options.engine, key_file="device.key")
    if options.ca_file:
        document["ca_file"] = str(Path(options.ca_file).resolve())
    write_whole(options.config, json.dumps(document, indent=2).encode())


COMMANDS: Dict[str, Command] = {
    "run": run,
    "doctor": doctor,
    "self-test": self_test,
    "install-factory": install_factory,
    "capture": capture,
    "enrol": enrol_camera,
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m device", description="Binsight's camera agent %s" % VERSION)
    commands = top.add_subparsers(dest="command", metavar="command")
    _with_config(commands, "run", "run the camera; `python -m device agent.json` does the same")
    _with_config(commands, "doctor", "check camera, engine, clock, disk, key and service")
    _with_config(commands, "install-factory", "pin the model to fall back to").add_argument("archive", type=Path)
    _with_config(commands, "capture", "one frame into a folder, numbered").add_argument("folder", type=Path)
    test = commands.add_parser("self-test", help="load an unpacked model and let it answer its own test")
    test.add_argument("slot", type=Path)
    test.add_argument("--engine", default="onnxruntime")
    test.add_argument("--engine-device", default=CPU, choices=PROCESSORS)
    test.add_argument("--threads", type=int)
    new = _with_config(commands, "enrol", "get a key with an enrolment code, from BINSIGHT_CODE or the standard input")
    new.add_argument("--service", required=True)
    new.add_argument("--engine", default="onnxruntime")
    new.add_argument("--site", default="")
    new.add_argument("--ca-file")
    return top


def _with_config(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what)
    command.add_argument("config", type=Path, help="agent.json")
    return command


def main(arguments: Optional[Sequence[str]] = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in COMMANDS and not given[0].startswith("-"):
        given.insert(0, "run")
    options = parser().parse_args(given)
    if options.command is None:
        parser().print_help()
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(threadName)s %(message)s")
    try:
        return COMMANDS[options.command](options)
    except (*EXPECTED, OSError) as error:
        print("device: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
