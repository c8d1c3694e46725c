"""Makes the project's Python environments from the hash-pinned requirement files, and says what they weigh.

    python scripts/environment.py service training

Run by scripts/setup.sh under whatever Python the machine has: standard library only. An environment carries a stamp
with the digest of what it was made from, so that the second time costs nothing.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP_OPTIONS = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
UNAVAILABLE = "unavailable.txt"
DEBIAN_PACKAGES = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0", "libstdc++.so.6": "libstdc++6"}

MXNET_LIBRARIES = ("libgomp.so.1", "libquadmath.so.0", "libstdc++.so.6")
# What wheels carry and nobody here opens: conformance vectors, plugins for other processors, the wheels' own tests.
TRAINING_BALLAST = ("onnx/backend/test/data",)
TEST_BALLAST = (
    "openvino/libs/libopenvino_intel_[gn]pu_plugin.so",
    "openvino/libs/libopenvino_*tensorflow*_frontend.so.*",
    "openvino/libs/libopenvino_p*_frontend.so.*",
    "openvino/libs/cache.json",
    "sympy/*/tests",
    "sympy/*/*/tests",
    "networkx/*/tests",
    "networkx/*/*/tests",
)


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    name: str
    folder: str
    purpose: str
    libraries: tuple[str, ...] = ("libstdc++.so.6",)
    included_in: str = ""
    optional_wheel: str = ""
    ballast: tuple[str, ...] = ()
    python_version: str = "{}.{}".format(*sys.version_info[:2])

    @property
    def path(self) -> Path:
        return ROOT / self.folder

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def requirements(self) -> Path:
        return ROOT / "requirements" / f"{self.name}.txt"

    @property
    def stamp(self) -> Path:
        return self.path / f"installed-{self.name}"

    @property
    def unavailable(self) -> Path:
        return self.path / UNAVAILABLE

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.requirements.read_bytes() + self.python_version.encode()).hexdigest()


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("service", ".venv", "the service", included_in="test"),
        Environment("test", ".venv", "the service, tests and linters", ballast=TEST_BALLAST),
        Environment(
            "training",
            ".venv-train",
            "training (MXNet)",
            libraries=MXNET_LIBRARIES,
            included_in="training-test",
            optional_wheel="mxnet",
            ballast=TRAINING_BALLAST,
        ),
        Environment(
            "training-test",
            ".venv-train",
            "training (MXNet) and its tests",
            libraries=MXNET_LIBRARIES,
            optional_wheel="mxnet",
            ballast=TRAINING_BALLAST,
        ),
        Environment("device", ".venv-device", "the camera's tests", python_version="3.7"),
        Environment("sagemaker", ".venv-sagemaker", "the comparison with SageMaker's SDK"),
        Environment("ministack", ".venv-ministack", "DynamoDB and S3 on loopback for the tests"),
        Environment("tune", ".venv-tune", "tuning (Optuna)"),
        Environment("tools", ".venv-tools", "compiling the requirement files"),
    )
}


def main(names: list[str]) -> None:
    wanted = [ENVIRONMENTS[name] for name in names]
    with one_at_a_time():
        missing = [environment for environment in wanted if not is_ready(environment)]
        if not missing:
            return
        require_system_packages(missing)
        for environment in missing:
            prepare(environment)
    folders = dict.fromkeys(environment.path for environment in wanted)
    print(f"setup: {sum(map(installed_mb, folders)):.0f} MB installed in all", flush=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `make demo` started together must not build one folder at once."""
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_ready(environment: Environment) -> bool:
    """Also true where the environment is known to be impossible here: no use trying at every start."""
    if environment.unavailable.is_file():
        return environment.unavailable.read_text().startswith(environment.digest)
    larger = ENVIRONMENTS.get(environment.included_in)
    return stamped(environment) or (larger is not None and stamped(larger))


def stamped(environment: Environment) -> bool:
    stamp = environment.stamp
    return environment.python.exists() and stamp.is_file() and stamp.read_text() == environment.digest


def require_system_packages(environments: list[Environment]) -> None:
    wanted = {library for environment in environments for library in environment.libraries if belongs_here(library)}
    packages = [DEBIAN_PACKAGES[library] for library in wanted if not loads(library)]
    if not all(map(importlib.util.find_spec, ("ensurepip", "venv"))):
        packages.append(venv_package())
    if packages:
        raise SetupError(how_to_install(packages))


def how_to_install(packages: list[str]) -> str:
    return (
        "System packages are missing. Run this, then try again:\n\n"
        f"    sudo apt-get install -y {' '.join(sorted(packages))}\n"
    )


def belongs_here(library: str) -> bool:
    if platform.system() != "Linux":
        return False
    return library != "libquadmath.so.0" or platform.machine() == "x86_64"


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def venv_package() -> str:
    version = "{}.{}".format(*sys.version_info[:2])
    system_python = Path("/usr/bin/python3")
    if system_python.exists() and system_python.resolve().name == f"python{version}":
        return "python3-venv"
    return f"python{version}-venv"


def prepare(environment: Environment) -> None:
    pins = re.findall(r"^\w", environment.requirements.read_text(), re.MULTILINE)
    announce(f"{environment.folder}, for {environment.purpose}: up to {len(pins)} packages")
    started_s = time.monotonic()
    create(environment, interpreter_for(environment))
    if reason := install(environment) or loading_problem(environment):
        environment.unavailable.write_text(f"{environment.digest}\n{reason}\n")
        announce(f"{environment.folder}: not possible on this machine. {reason}")
        return
    drop_ballast(environment)
    environment.stamp.write_text(environment.digest)
    took_s = time.monotonic() - started_s
    announce(f"{environment.folder}: {installed_mb(environment.path):.0f} MB, {took_s:.0f} s")


def drop_ballast(environment: Environment) -> None:
    for pattern in environment.ballast:
        for path in environment.path.glob(f"lib/python*/site-packages/{pattern}"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def interpreter_for(environment: Environment) -> str:
    if environment.python_version == Environment.python_version:
        return sys.executable
    search = ["sh", str(ROOT / "scripts" / "find_python.sh"), environment.python_version]
    settings = {key: value for key, value in os.environ.items() if key != "PYTHON"}
    found = subprocess.run(search, stdout=subprocess.PIPE, text=True, env=settings, check=False)
    if found.returncode:
        raise SetupError(f"{environment.folder} needs Python {environment.python_version}.")
    return found.stdout.strip()


def create(environment: Environment, interpreter: str) -> None:
    if environment.python.exists() and same_version(environment.python, interpreter):
        environment.unavailable.unlink(missing_ok=True)
        return
    shutil.rmtree(environment.path, ignore_errors=True)
    subprocess.run([interpreter, "-m", "venv", *without_pip(environment), environment.folder], cwd=ROOT, check=True)


def without_pip(environment: Environment) -> list[str]:
    """The service's pip installs into the others too, except into Python 3.7, which it no longer knows."""
    return [] if environment.folder in {".venv", ".venv-device"} else ["--without-pip"]


def same_version(python: Path, interpreter: str) -> bool:
    question = "import sys; print(sys.version_info[:3])"
    answers = {
        subprocess.run([each, "-c", question], capture_output=True, text=True, check=False).stdout
        for each in (str(python), interpreter)
    }
    return len(answers) == 1 and answers != {""}


def install(environment: Environment) -> str:
    """Empty when all is installed; why not, when there is no wheel of the one package this environment is for.

    Raises: SetupError, when pip fails for any other reason.
    """
    command = [*pip_for(environment), "install", *PIP_OPTIONS, "-r", str(environment.requirements)]
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line)
            if "Downloading" in line and " MB)" in line:
                announce(f"  {line.split('/')[-1].replace('Downloading', '').strip()}")
    wheel = environment.optional_wheel
    if pip.returncode and wheel and f"No matching distribution found for {wheel}" in "".join(lines):
        return f"There is no {wheel} wheel for {platform.system()} {platform.machine()}."
    if pip.returncode:
        raise SetupError(f"{''.join(lines[-20:])}\npip could not install {environment.requirements.relative_to(ROOT)}.")
    return ""


def pip_for(environment: Environment) -> list[str]:
    if not without_pip(environment):
        return [str(environment.python), "-m", "pip"]
    host = ENVIRONMENTS["service"].python
    if not host.exists():
        prepare(ENVIRONMENTS["service"])
    return [str(host), "-m", "pip", "--python", str(environment.python)]


def loading_problem(environment: Environment) -> str:
    """Why the native library of the one package this environment is for does not load; empty when it does."""
    wheel = environment.optional_wheel
    load = "import ctypes, glob, sys; [ctypes.CDLL(path) for path in glob.glob(sys.prefix + sys.argv[1])]"
    pattern = f"/lib/python*/site-packages/{wheel}/lib{wheel}.so"
    result = subprocess.run([environment.python, "-c", load, pattern], capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    return f"{wheel} does not load: {(result.stderr.splitlines() or ['it crashed'])[-1]}"


def installed_mb(folder: Path) -> float:
    """What `du` would say: blocks on the disk, not file lengths."""
    files = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_blocks * 512 for path in files) / 1e6


def announce(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as error:
        sys.exit(str(error))
