"""TLS for the cameras of a network: a local CA, a certificate, and the service behind it."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.embedded.tls_front import TlsFront
from device.cloud import Cloud
from device.cloud_errors import UntrustedError
from device.enrolment import enrol
from device.transport import Transport
from scripts.certificate import CertificateError, alternative_names, make
from tests.functional.service import Service, free_port, upload
from tests.functional.test_restart import service_process

BOOT = "boot-0000000000000001"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates") / "made"
    try:
        make(folder, ["127.0.0.1", "localhost", "::1"])
    except CertificateError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture
def front(empty: Service, certificates: Path) -> Iterator[TlsFront]:
    made = TlsFront(("127.0.0.1", 0), certificates, empty.client.port)
    made.start()
    yield made
    made.stop()


def url_of(front: TlsFront) -> str:
    return f"https://127.0.0.1:{front.port}"


def strictly(certificates: Path) -> ssl.SSLContext:
    """As Python 3.13 and later check certificates."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def test_a_camera_enrols_and_asks_with_the_networks_own_ca(empty: Service, front: TlsFront, certificates: Path) -> None:
    empty.client.post("/devices", {"id": "first", "fleet": "kitchen"})
    code = empty.client.post("/fleets/kitchen/codes", {"devices": 1}).json()["code"]
    authority = str(certificates / "ca.pem")
    device, key = enrol(url_of(front), code, "onnxruntime", "", authority)
    document, _ = Cloud(url_of(front), device, key, Transport(authority)).target(BOOT, None, None)
    assert document is not None
    assert document["digest"] is None


def test_who_does_not_know_the_ca_does_not_send_its_key(front: TlsFront) -> None:
    with pytest.raises(UntrustedError, match="ca_file"):
        Cloud(url_of(front), "kitchen-1", "bsd_kitchen-1_secret", Transport()).artifact()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "::1"])
def test_the_certificate_is_strictly_right_for_each_of_its_names(
    front: TlsFront, certificates: Path, name: str
) -> None:
    plain = socket.create_connection(("127.0.0.1", front.port), 10)
    with strictly(certificates).wrap_socket(plain, server_hostname=name) as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_another_name_than_its_own_is_refused(front: TlsFront, certificates: Path) -> None:
    plain = socket.create_connection(("127.0.0.1", front.port), 10)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"), plain:
        strictly(certificates).wrap_socket(plain, server_hostname="other.example")


def test_large_bodies_pass_both_ways_and_connections_are_kept(
    empty: Service, front: TlsFront, certificates: Path
) -> None:
    data = bytes(range(256)) * 12_000
    transport = Transport(str(certificates / "ca.pem"))
    headers = {"Authorization": f"Bearer {empty.client.key}", "Content-Type": "application/json"}
    terms = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "content_type": "application/gzip"}
    connection = transport.connect(url_of(front))
    for _ in range(2):
        connection.request("POST", "/uploads", json.dumps(terms), headers)
        answer = connection.getresponse()
        target = json.loads(answer.read())
        assert answer.status == 201
    path = target["url"].partition(str(empty.client.port))[2]
    assert transport.ask("PUT", url_of(front) + path, data, target["headers"]).status == 200
    page = transport.ask("GET", url_of(front) + "/openapi.yaml", None, {})
    assert page.status == 200
    assert len(page.body) > 100_000
    connection.close()
    assert upload(empty.client, b"plain HTTP is spoken on as well")


def test_who_says_nothing_or_speaks_no_tls_holds_up_nobody(front: TlsFront, certificates: Path) -> None:
    silent = [socket.create_connection(("127.0.0.1", front.port), 10) for _ in range(20)]
    with socket.create_connection(("127.0.0.1", front.port), 10) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not plain.recv(1000).startswith(b"HTTP")
    answer = Transport(str(certificates / "ca.pem")).ask("GET", url_of(front) + "/health", None, {})
    assert answer.status == 200
    for each in silent:
        each.close()


def test_a_service_with_a_certificate_answers_on_both_and_ends(tmp_path: Path, certificates: Path) -> None:
    port = free_port()
    variables = {"BINSIGHT_CERTIFICATE": str(certificates), "BINSIGHT_TLS_PORT": str(port)}
    with service_process(tmp_path / "home", **variables) as running:
        url = f"https://127.0.0.1:{port}"
        assert f"Cameras and apps of this network: {url}" in running.written()
        assert Transport(str(certificates / "ca.pem")).ask("GET", url + "/health", None, {}).status == 200
        running.process.terminate()
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.written()


def test_a_certificate_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere cannot be used .* 'make certificate'"):
        TlsFront(("127.0.0.1", 0), tmp_path / "nowhere", 1)


def test_a_new_certificate_is_of_the_same_ca_and_keys_are_the_owners_alone(certificates: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make(folder, ["127.0.0.1"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make(folder, ["binsight.local"])
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before["ca.pem"] == after["ca.pem"]
    assert before["server.pem"] != after["server.pem"]
    verified = [
        "openssl",
        "verify",
        "-x509_strict",
        "-CAfile",
        "ca.pem",
        "-verify_hostname",
        "binsight.local",
        "server.pem",
    ]
    assert subprocess.run(verified, cwd=folder, capture_output=True, check=False).returncode == 0
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("hosts", [[], ["https://binsight.local"], ["binsight.local:8443"], ["a,DNS:b"], [""]])
def test_a_host_that_is_none_is_named(hosts: list[str]) -> None:
    with pytest.raises(CertificateError, match=r"host|neither a name"):
        alternative_names(hosts)
