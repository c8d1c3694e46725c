"""Settings come from the environment, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config import SettingsError, from_environment


def test_an_empty_environment_is_this_machine_on_loopback() -> None:
    settings = from_environment({})
    assert settings.is_embedded
    assert (settings.host, settings.port, settings.home) == ("127.0.0.1", 8000, Path(".binsight/home"))
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.rate_per_s == 100
    assert settings.admin_key is None


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    names = ("BINSIGHT_HOST", "BINSIGHT_PORT", "BINSIGHT_HOME", "BINSIGHT_ADMIN_KEY", "BINSIGHT_RATE_PER_S")
    assert from_environment(dict.fromkeys(names, "")) == from_environment({})


def test_what_is_set_is_used() -> None:
    settings = from_environment(
        {
            "BINSIGHT_STAGE": "prod",
            "BINSIGHT_PORT": "9000",
            "BINSIGHT_HOME": "/var/lib/binsight",
            "BINSIGHT_ADMIN_KEY": "secret",
            "BINSIGHT_RATE_PER_S": "2.5",
            "BINSIGHT_CORS_ORIGIN": "https://app.example",
            "BINSIGHT_PUBLIC_URL": "http://192.168.1.5:9000",
        }
    )
    assert not settings.is_embedded
    assert (settings.port, settings.home, settings.admin_key) == (9000, Path("/var/lib/binsight"), "secret")
    assert (settings.rate_per_s, settings.cors_origin) == (2.5, "https://app.example")
    assert settings.public_url == "http://192.168.1.5:9000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BINSIGHT_PORT", "http"),
        ("BINSIGHT_PORT", "65536"),
        ("BINSIGHT_PORT", "-1"),
        ("BINSIGHT_PORT", "nan"),
        ("BINSIGHT_RATE_PER_S", "0"),
        ("BINSIGHT_RATE_PER_S", "fast"),
        ("BINSIGHT_MAX_BODY_BYTES", "10"),
        ("BINSIGHT_ENGINE_THREADS", "-2"),
    ],
)
def test_a_number_that_does_not_fit_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        from_environment({name: value})


def test_the_starter_model_can_be_left_out_or_replaced() -> None:
    assert from_environment({"BINSIGHT_STARTER": "off"}).starter is None
    assert from_environment({"BINSIGHT_STARTER": "own.tar.gz"}).starter == Path("own.tar.gz")
    default = from_environment({}).starter
    assert default is not None
    assert default.parts[-3:] == ("training", "starter", "model.tar.gz")


def test_plain_http_stays_on_this_machine() -> None:
    with pytest.raises(SettingsError, match="make certificate"):
        from_environment({"BINSIGHT_HOST": "192.168.1.5"})
    for host in ("127.0.0.1", "localhost", "::1"):
        assert from_environment({"BINSIGHT_HOST": host}).plain_host == host
    assert from_environment({"BINSIGHT_HOST": "::1"}).public_url == "http://[::1]:8000"


def test_with_a_certificate_tls_is_spoken_beyond_and_plain_http_here() -> None:
    settings = from_environment({"BINSIGHT_HOST": "192.168.1.5", "BINSIGHT_CERTIFICATE": "made"})
    assert (settings.plain_host, settings.host, settings.tls_port) == ("127.0.0.1", "192.168.1.5", 8443)
    assert (settings.certificate, settings.public_url) == (Path("made"), "https://192.168.1.5:8443")


def test_a_service_that_listens_everywhere_says_where_it_is_called() -> None:
    everywhere = {"BINSIGHT_HOST": "0.0.0.0", "BINSIGHT_CERTIFICATE": "made"}
    with pytest.raises(SettingsError, match="BINSIGHT_PUBLIC_URL"):
        from_environment(everywhere)
    assert from_environment({**everywhere, "BINSIGHT_PUBLIC_URL": "https://binsight.local:8443"}).host == "0.0.0.0"
