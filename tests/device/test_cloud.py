"""The client of the service: what it believes, what it tells apart, what it never says."""

from __future__ import annotations

import json
import logging
import random
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Iterator, Tuple

import pytest

from device import cloud_errors as errors
from device.back_off import BackOff
from device.cloud import Cloud
from device.transport import Transport, is_allowed, tls_context
from tests.device.http_stand_in import StandIn, Told, problem

KEY = "bsd_kitchen-1_a-secret-of-the-tests"


def cloud_at(url: str, **options: Any) -> Cloud:
    return Cloud(url, "kitchen-1", KEY, Transport(timeout_s=30, **options))


def test_the_target_is_asked_with_boot_key_and_etag() -> None:
    told = Told(200, b'{"digest": null}', {"ETag": '"a"'})
    with StandIn(lambda _: told) as service:
        assert cloud_at(service.url).target("b" * 16, "a" * 16, '"z"') == ({"digest": None}, '"a"')
    asked = service.asked[0]
    assert asked.path == "/devices/kitchen-1/target?boot=%s&previous=%s" % ("b" * 16, "a" * 16)
    assert (asked.headers["authorization"], asked.headers["if-none-match"]) == ("Bearer " + KEY, '"z"')


def test_304_means_that_the_target_is_as_it_was() -> None:
    with StandIn(lambda _: Told(304, b"", {"ETag": '"a"'})) as service:
        assert cloud_at(service.url).target("b" * 16, None, '"a"') == (None, '"a"')


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (problem(401, "invalid-key"), errors.RevokedKeyError),
        (problem(409, "foreign-nonce"), errors.RefusedError),
        (problem(429, "rate-limited"), errors.BusyError),
        (Told(500, b"<html>"), errors.BusyError),
        (Told(200, b"<html>Please log in</html>", {"Content-Type": "text/html"}), errors.CaptivePortalError),
        (Told(200, b'"text"'), errors.CaptivePortalError),
        (Told(302, b"", {"Location": "http://login.example/"}), errors.CaptivePortalError),
        (Told(404, b"<html>", {"Content-Type": "text/html"}), errors.CaptivePortalError),
        (Told(200, b'{"url": "half', {}, 4), errors.UnreachableError),
    ],
)
def test_every_failure_has_its_own_error(told: Told, error: type) -> None:
    with StandIn(lambda _: told) as service, pytest.raises(error):
        cloud_at(service.url).artifact()


def test_a_refusal_names_the_problem() -> None:
    with StandIn(lambda _: problem(409, "foreign-nonce", "ask again")) as service, pytest.raises(
        errors.RefusedError
    ) as caught:
        cloud_at(service.url).report({})
    assert (caught.value.status, caught.value.kind) == (409, "foreign-nonce")


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % probe.getsockname()[1]
    with pytest.raises(errors.UnreachableError):
        cloud_at(url).artifact()


def test_the_key_stands_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with StandIn(lambda _: problem(401, "invalid-key", "no such key")) as service:
        cloud = cloud_at(service.url)
        with pytest.raises(errors.CloudError) as caught:
            cloud.report({"boot": "b"})
    assert KEY not in caplog.text + str(caught.value) + repr(cloud)


@pytest.mark.parametrize("odd", ["\n", "\u20ac"])
def test_a_key_that_http_cannot_carry_stands_in_no_message(odd: str) -> None:
    cloud = Cloud("http://127.0.0.1:9", "kitchen-1", KEY + odd + KEY, Transport())
    with pytest.raises(errors.UnreachableError, match=r"127\.0\.0\.1:9 cannot be asked") as caught:
        cloud.artifact()
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_ipv6_address_keeps_its_end() -> None:
    for scheme, port in (("https", 443), ("http", 80)):
        connection = Transport().connect(scheme + "://[2001:db8::1]/target")
        assert (connection.host, connection.port) == ("2001:db8::1", port)
    connection = Transport().connect("http://[::1]:8000/target")
    assert (connection.host, connection.port) == ("::1", 8000)


@pytest.mark.parametrize("url", ["http://archive:port/x", "http://ar chive/x", "ftp://archive/x"])
def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    with pytest.raises(errors.UnreachableError, match="no address"):
        Transport().ask("GET", url, None, {})


def test_frames_are_sent_to_where_the_service_says_without_the_key() -> None:
    with StandIn(lambda _: Told(200, b"")) as place:
        target = {"method": "PUT", "url": place.url + "/files/x?signature=s", "headers": {"Content-Type": "image/jpeg"}}
        cloud_at("https://service.invalid").send_bytes(target, b"jpeg")
    asked = place.asked[0]
    assert (asked.method, asked.path, asked.body) == ("PUT", "/files/x?signature=s", b"jpeg")
    assert "authorization" not in asked.headers


def test_a_frame_that_arrived_before_its_answer_was_lost_is_sent() -> None:
    with StandIn(lambda _: Told(412, b"")) as place:
        target = {"method": "PUT", "url": place.url, "headers": {}}
        cloud_at("https://service.invalid").send_bytes(target, b"jpeg")


def test_keys_travel_over_tls_or_stay_on_the_machine() -> None:
    assert is_allowed("https://api.example")
    assert is_allowed("http://127.0.0.1:8000")
    assert not is_allowed("http://api.example")
    assert not is_allowed("ftp://127.0.0.1")


def test_pauses_grow_to_a_limit_with_jitter_and_begin_anew_after_a_success() -> None:
    back_off = BackOff(random.Random(1), least_s=2, most_s=100)
    pauses = [back_off.pause_s() for _ in range(12)]
    for at, pause_s in enumerate(pauses):
        limit_s = min(100, 2 * 2**at)
        assert limit_s / 2 <= pause_s <= limit_s
    back_off.succeeded()
    assert back_off.pause_s() <= 2


def test_the_service_is_not_asked_sooner_than_it_wants() -> None:
    back_off = BackOff(random.Random(1))
    assert back_off.pause_s(errors.BusyError("later", 90)) >= 90


def test_dates_are_not_looked_at_only_while_the_clock_cannot_be_right() -> None:
    no_check_time = 0x200000
    assert int(tls_context(None, now_s=86400.0).verify_flags) & no_check_time
    assert not int(tls_context(None, now_s=1.8e9).verify_flags) & no_check_time
    assert tls_context(None, now_s=86400.0).verify_mode == ssl.CERT_REQUIRED


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a certificate for 127.0.0.1 that it signed, and one that nobody did."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    commands = [
        [*new, "/CN=tests", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"],
        [*new, "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"],
        ["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-out", "server.pem", "-days", "2", "-extfile", "names"],
    ]  # fmt: skip
    for command in commands:
        try:
            subprocess.run(command, cwd=str(folder), check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no openssl here to make certificates with")
    return folder


@pytest.fixture
def tls_service(certificates: Path) -> Iterator[Tuple[StandIn, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificates / "server.pem"), str(certificates / "server.key"))
    service = StandIn(lambda _: Told(200, b'{"url": "u"}'))
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    with service:
        yield service, service.url.replace("http:", "https:")


def test_a_service_whose_certificate_the_own_ca_signed_is_trusted(
    tls_service: Tuple[StandIn, str], certificates: Path
) -> None:
    assert cloud_at(tls_service[1], ca_file=str(certificates / "ca.pem")).artifact() == {"url": "u"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_certificate_of_a_stranger_is_not_trusted_and_the_key_is_not_sent(tls_service: Tuple[StandIn, str]) -> None:
    with pytest.raises(errors.UntrustedError, match="set ca_file to your own authority's file"):
        cloud_at(tls_service[1]).artifact()
    assert tls_service[0].asked == []


def test_a_missing_ca_file_is_named(tls_service: Tuple[StandIn, str]) -> None:
    with pytest.raises(errors.UntrustedError, match=r"nowhere\.pem"):
        cloud_at(tls_service[1], ca_file="nowhere.pem").artifact()


def test_events_are_posted_with_their_boot() -> None:
    with StandIn(lambda _: Told(200, b'{"acknowledged": 2}')) as service:
        assert cloud_at(service.url).events("b" * 16, [{"sequence": 2}], [(1, 1)]) == {"acknowledged": 2}
    body = json.loads(service.asked[0].body)
    assert (body["boot"], body["events"], body["dropped"]) == ("b" * 16, [{"sequence": 2}], [[1, 1]])


def test_several_threads_may_ask_at_once() -> None:
    with StandIn(lambda asked: Told(200, json.dumps({"path": asked.path}).encode())) as service:
        cloud = cloud_at(service.url)
        threads = [threading.Thread(target=cloud.artifact) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(service.asked) == 4
