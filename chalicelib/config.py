"""Settings: the only reader of the environment."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
DEFAULT_HOME = Path(".binsight/home")
GATEWAY_BODY_BYTES = 10 * 1024 * 1024
# The program runs where this service runs; only MXNet's part of it runs in the training environment.
TRAIN_COMMAND = (sys.executable, "-m", "training.job", "--training-python", str(CHECKOUT / ".venv-train/bin/python"))
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")


class SettingsError(ValueError):
    """An environment variable that does not fit; the message names it."""


@dataclass(frozen=True)
class Settings:
    """`stage` is `embedded` (this machine) or the name of an AWS stage.

    `certificate`: a folder of `make certificate`; then `host` and `tls_port` speak TLS, and plain HTTP is on loopback.
    """

    stage: str
    home: Path
    host: str
    port: int
    certificate: Path | None
    tls_port: int
    public_url: str
    admin_key: str | None
    rate_per_s: float
    cors_origin: str | None
    max_body_bytes: int
    engine: str
    engine_threads: int | None
    starter: Path | None
    train_command: tuple[str, ...]
    evaluate_command: tuple[str, ...]
    definitions: Path | None
    budget_usd: float
    table: str
    bucket: str
    role: str
    image: str
    region: str

    @property
    def plain_host(self) -> str:
        """Keys that travel in plain HTTP stay on this machine."""
        return LOOPBACK[0] if self.certificate else self.host

    @property
    def is_embedded(self) -> bool:
        return self.stage == "embedded"


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises: SettingsError."""
    host = environ.get("BINSIGHT_HOST") or LOOPBACK[0]
    port = int(_number(environ, "BINSIGHT_PORT", 8000, 0, 65535))
    tls_port = int(_number(environ, "BINSIGHT_TLS_PORT", 8443, 0, 65535))
    certificate = _certificate(environ, host)
    threads = int(_number(environ, "BINSIGHT_ENGINE_THREADS", 0, 0, 256))
    return Settings(
        stage=environ.get("BINSIGHT_STAGE") or "embedded",
        home=Path(environ.get("BINSIGHT_HOME") or DEFAULT_HOME),
        host=host,
        port=port,
        certificate=certificate,
        tls_port=tls_port,
        public_url=environ.get("BINSIGHT_PUBLIC_URL")
        or (url_of("https", host, tls_port) if certificate else url_of("http", host, port)),
        admin_key=environ.get("BINSIGHT_ADMIN_KEY") or None,
        rate_per_s=_number(environ, "BINSIGHT_RATE_PER_S", 100.0, 0.01, 1e9),
        cors_origin=environ.get("BINSIGHT_CORS_ORIGIN") or None,
        max_body_bytes=int(_number(environ, "BINSIGHT_MAX_BODY_BYTES", GATEWAY_BODY_BYTES, 1024, 2**30)),
        engine=environ.get("BINSIGHT_ENGINE") or "onnxruntime",
        engine_threads=threads or None,
        starter=_starter(environ),
        train_command=_command(environ, "BINSIGHT_TRAIN_COMMAND", TRAIN_COMMAND),
        definitions=Path(environ["BINSIGHT_DEFINITIONS"]) if environ.get("BINSIGHT_DEFINITIONS") else None,
        evaluate_command=_command(environ, "BINSIGHT_EVALUATE_COMMAND", ()),
        budget_usd=_number(environ, "BINSIGHT_BUDGET_USD", 25.0, 0.0, 1e9),
        table=environ.get("BINSIGHT_TABLE", ""),
        bucket=environ.get("BINSIGHT_BUCKET", ""),
        role=environ.get("BINSIGHT_ROLE", ""),
        image=environ.get("BINSIGHT_IMAGE", ""),
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
    )


def url_of(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _certificate(environ: Mapping[str, str], host: str) -> Path | None:
    """Raises: SettingsError where plain HTTP would leave this machine, and where nobody could be told the address."""
    given = environ.get("BINSIGHT_CERTIFICATE")
    if not given and host not in LOOPBACK:
        raise SettingsError(
            f"BINSIGHT_HOST={host!r} would carry keys over the network in plain HTTP: 'make certificate HOSTS=<host>' "
            "makes a certificate, and BINSIGHT_CERTIFICATE names its folder."
        )
    if given and host in EVERYWHERE and not environ.get("BINSIGHT_PUBLIC_URL"):
        raise SettingsError(
            f"BINSIGHT_HOST={host!r} is no address to call: set BINSIGHT_PUBLIC_URL=https://<host>:8443."
        )
    return Path(given) if given else None


def _starter(environ: Mapping[str, str]) -> Path | None:
    """The model that a new home begins with; BINSIGHT_STARTER=off begins with none."""
    given = environ.get("BINSIGHT_STARTER") or str(CHECKOUT / "training" / "starter" / "model.tar.gz")
    return None if given == "off" else Path(given)


def _command(environ: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Where the embedded mode's programs begin; what a job says of itself follows as options."""
    try:
        return tuple(shlex.split(environ.get(name) or "")) or default
    except ValueError as error:
        raise SettingsError(f"{name} is no command line: {error}.") from error


def _number(environ: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} is not a number.") from error
    if not least <= value <= most:
        raise SettingsError(f"{name}={text!r} is not between {least:g} and {most:g}.")
    return value
