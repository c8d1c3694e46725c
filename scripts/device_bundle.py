"""One archive for a camera, `make device-bundle`: Python, pinned requirements, CA bundle, unit, install.sh; no secret.

The same sources give the same bytes.
"""

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import certifi

from device.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
DEVICE = ROOT / "device"
LEFT_OUT = {"__pycache__", "simulate", "install"}
REQUIREMENTS = ("camera.txt", "camera-3.7.txt", "camera-opencv.txt", "camera-openvino.txt")
FIXED_TIME = 315532800


def main(output: Path) -> Path:
    """The archive's path."""
    name = f"binsight-camera-{VERSION}"
    output.mkdir(parents=True, exist_ok=True)
    archive = output / f"{name}.tar.gz"
    archive.write_bytes(packed({f"{name}/{path}": data for path, data in contents().items()}))
    return archive


def contents() -> dict[str, bytes]:
    """By path inside the archive."""
    sources = [path for path in sorted(DEVICE.rglob("*.py")) if not LEFT_OUT & set(path.relative_to(DEVICE).parts)]
    found = {f"device/{path.relative_to(DEVICE)}": path.read_bytes() for path in sources}
    found |= {path.name: path.read_bytes() for path in sorted((DEVICE / "install").iterdir()) if path.is_file()}
    found |= {name: (ROOT / "requirements" / name).read_bytes() for name in REQUIREMENTS}
    found["device-protocol.md"] = (ROOT / "docs" / "device-protocol.md").read_bytes()
    found["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    found["ca-bundle.pem"] = Path(certifi.where()).read_bytes()
    return found


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=FIXED_TIME) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(files[path]), FIXED_TIME
            member.mode = 0o755 if path.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(files[path]))
    return stream.getvalue()


if __name__ == "__main__":
    made = main(Path(sys.argv[1]))
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    print(f"{made}: {made.stat().st_size / 1024:.0f} KB, sha256 {digest}")
