"""Makes a local CA and a certificate of this service: `make certificate HOSTS="192.168.1.5 binsight.local"`.

The CA is made once and kept: cameras trust its `ca.pem`, and a new certificate needs no change on them.
"""

import argparse
import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CA_DAYS = 3650
# Phones refuse longer ones.
SERVER_DAYS = 820
CA_SETTINGS = """[req]
prompt = no
distinguished_name = name
x509_extensions = ca
[name]
CN = Binsight on this network
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
SERVER_SETTINGS = """[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class CertificateError(RuntimeError):
    """No certificate could be made; the message says why."""


def make(folder: Path, hosts: Sequence[str]) -> None:
    """Raises: CertificateError, OSError."""
    if shutil.which("openssl") is None:
        raise CertificateError("openssl is missing; install it with: apt-get install openssl")
    names = alternative_names(hosts)
    before = os.umask(0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "ca.pem").exists():
            _make_authority(folder)
        _make_certificate(folder, hosts[0], names)
    finally:
        os.umask(before)


def alternative_names(hosts: Sequence[str]) -> str:
    """As OpenSSL's settings have them. Raises: CertificateError."""
    found = []
    for host in hosts:
        try:
            found.append(f"IP:{ipaddress.ip_address(host)}")
        except ValueError:
            if not all(part.replace("-", "").isalnum() and part.isascii() for part in host.split(".")):
                raise CertificateError(
                    f"{host!r} is neither a name nor an address; leave out https:// and port"
                ) from None
            found.append(f"DNS:{host}")
    if not found:
        raise CertificateError('no host is named: make certificate HOSTS="192.168.1.5 binsight.local"')
    return ", ".join(found)


def _make_authority(folder: Path) -> None:
    (folder / "ca.cnf").write_text(CA_SETTINGS)
    made = ["-keyout", "ca.key", "-out", "ca.pem", "-days", str(CA_DAYS)]
    _openssl(folder, "req", "-x509", "-new", "-config", "ca.cnf", *NEW_KEY, *made)


def _make_certificate(folder: Path, subject: str, names: str) -> None:
    """Under other names first: a running service must not find a key without its certificate."""
    (folder / "server.cnf").write_text(SERVER_SETTINGS.format(names=names))
    request = ["-subj", f"/CN={subject}"[:64], "-keyout", "server.key.part", "-out", "server.csr"]
    _openssl(folder, "req", "-new", "-config", "ca.cnf", *NEW_KEY, *request)
    authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    settings = ["-extfile", "server.cnf", "-extensions", "server", "-days", str(SERVER_DAYS)]
    _openssl(folder, "x509", "-req", "-in", "server.csr", *authority, *settings, "-out", "server.pem.part")
    for name in ("server.key", "server.pem"):
        (folder / f"{name}.part").replace(folder / name)
    (folder / "server.csr").unlink()


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CertificateError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-400:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", nargs="*", help="names and addresses under which cameras find this machine")
    options = parser.parse_args()
    try:
        make(options.folder, options.hosts)
    except (CertificateError, OSError) as error:
        print(f"certificate: {error}", file=sys.stderr)
        return 1
    host = options.hosts[0]
    print(f"Serve with:   make run BINSIGHT_CERTIFICATE={options.folder} BINSIGHT_HOST=0.0.0.0 \\")
    print(f"                BINSIGHT_PUBLIC_URL=https://{f'[{host}]' if ':' in host else host}:8443")
    print(f"Give cameras: {options.folder / 'ca.pem'} (enrol --ca-file). Give nobody: ca.key, server.key.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
