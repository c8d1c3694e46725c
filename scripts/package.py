"""Builds the Lambda's zip and its CloudFormation template: `make package STAGE=dev`.

Chalice writes the template and packs the app. The Lambda's requirements are installed beside it by pip, for Lambda's
own Python and platform and with their hashes checked, so that what is deployed does not depend on where it is packed.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNTIME_VERSION = "3.13"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")
STAGES = ("dev", "prod")
# What of the model runtime needs numpy or an engine stays out of the Lambda; the rest is vendored into it.
HEAVY_RUNTIME = {"predictor.py", "references.py", "ssd.py", "tensor.py"}
STATIC_FILES = ("openapi.yaml", "training/jobs/*.json")
CORS = "BINSIGHT_CORS_ORIGIN"
PASSED_ON = (CORS, "BINSIGHT_BUDGET_USD")
ALLOWED_ORIGIN = "gatewayresponse.header.Access-Control-Allow-Origin"
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """The package cannot be built; the message says why."""


def main(stage: str, output: Path) -> None:
    """Writes `output`/deployment.zip and `output`/sam.json. Raises: PackageError."""
    if stage not in STAGES:
        raise PackageError(f"STAGE={stage}: only {' and '.join(STAGES)} run on AWS.")
    shutil.rmtree(output, ignore_errors=True)
    project = output / "project"
    lay_out(project)
    install_requirements(project / "vendor")
    run_chalice(stage, project, output)
    compiled = repack(output / "deployment.zip", output / "contents")
    template = finish_template(output / "sam.json")
    report(output, template, compiled)


def lay_out(project: Path) -> None:
    unwanted = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
    project.mkdir(parents=True)
    shutil.copy2(ROOT / "app.py", project)
    for folder in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / folder, project / folder, ignore=unwanted)
    copy_static(project / "chalicelib" / "static")
    copy_light_runtime(project / "vendor" / "device")
    (project / "requirements.txt").touch()


def copy_static(static: Path) -> None:
    for pattern in STATIC_FILES:
        for source in ROOT.glob(pattern):
            target = static / ("jobs" if source.parent.name == "jobs" else "") / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def copy_light_runtime(device: Path) -> None:
    (device / "runtime").mkdir(parents=True)
    shutil.copy2(ROOT / "device" / "__init__.py", device)
    for module in sorted((ROOT / "device" / "runtime").glob("*.py")):
        if module.name not in HEAVY_RUNTIME:
            shutil.copy2(module, device / "runtime")


def install_requirements(target: Path) -> None:
    platforms = [option for platform in PLATFORMS for option in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--implementation=cp", *platforms]
    command += [f"--python-version={RUNTIME_VERSION}", f"--target={target}", "--upgrade", "--no-compile"]
    run([*command, "-r", str(ROOT / "requirements.txt")], ROOT)


def run_chalice(stage: str, project: Path, output: Path) -> None:
    """Chalice imports app.py to learn its routes: with the stage's settings, and reaching nothing."""
    chalice = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"]
    options = ["package", "--stage", stage, "--merge-template", str(project / ".chalice" / "resources.json")]
    run([*chalice, *options, str(output)], project, {"AWS_EC2_METADATA_DISABLED": "true", **placeholders()})


def placeholders() -> dict[str, str]:
    """Names that CloudFormation fills in when it deploys; any will do while routes are collected."""
    names = ("BINSIGHT_TABLE", "BINSIGHT_BUCKET")
    return {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"} | dict.fromkeys(names, "packaging")


def run(command: list[str], folder: Path, settings: dict[str, str] | None = None) -> None:
    environment = {**os.environ, **(settings or {})}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise PackageError(f"{result.stdout}{result.stderr}\n{' '.join(command[:4])} ... failed, see above.")


def repack(archive: Path, contents: Path) -> bool:
    """The same files with .pyc beside them, in a fixed order, with a fixed time; true when they could be compiled."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(contents)
    compiled = compile_all(contents)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in contents.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(contents)), FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    return compiled


def compile_all(contents: Path) -> bool:
    """Only Lambda's own minor version writes .pyc that Lambda reads; they take two thirds off a cold import."""
    python = lambda_python()
    if python is None:
        return False
    options = ["-q", "-s", str(contents), "--invalidation-mode", "unchecked-hash"]
    run([python, "-m", "compileall", *options, str(contents)], contents)
    return True


def lambda_python() -> str | None:
    finder = ["sh", str(ROOT / "scripts" / "find_python.sh"), RUNTIME_VERSION]
    settings = {key: value for key, value in os.environ.items() if key != "PYTHON"}
    found = subprocess.run(finder, capture_output=True, text=True, env=settings, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def finish_template(path: Path, settings: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Chalice names the Python that ran it; the functions run on Lambda's that the requirements were chosen for.

    What `settings` say of PASSED_ON reaches the functions; the gateway's own answers allow the same web origin as ours.
    """
    template: dict[str, Any] = json.loads(path.read_text())
    passed_on = {name: settings[name] for name in PASSED_ON if settings.get(name)}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Runtime"] = f"python{RUNTIME_VERSION}"
            resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {}).update(passed_on)
        if resource["Type"] == "AWS::ApiGateway::GatewayResponse" and CORS in passed_on:
            resource["Properties"]["ResponseParameters"][ALLOWED_ORIGIN] = f"'{passed_on[CORS]}'"
    path.write_text(json.dumps(template, indent=2) + "\n")
    return template


def report(output: Path, template: dict[str, Any], compiled: bool) -> None:
    with zipfile.ZipFile(output / "deployment.zip") as packed:
        unzipped_bytes = sum(entry.file_size for entry in packed.infolist())
    if unzipped_bytes > MAX_UNZIPPED_BYTES:
        raise PackageError(f"{unzipped_bytes} bytes unzipped; Lambda takes {MAX_UNZIPPED_BYTES}.")
    zipped_mb = (output / "deployment.zip").stat().st_size / 1e6
    print(f"{output}/deployment.zip: {zipped_mb:.1f} MB, {unzipped_bytes / 1e6:.1f} MB unzipped")
    print(f"{output}/sam.json: {len(template['Resources'])} resources")
    if not compiled:
        print(f"No Python {RUNTIME_VERSION} here: packed without .pyc, so cold starts take about 0.4 s longer.")


if __name__ == "__main__":
    try:
        main(sys.argv[1], ROOT / "build" / "package" / sys.argv[1])
    except PackageError as error:
        sys.exit(str(error))
