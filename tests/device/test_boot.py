"""Starts of the agent and what the service knows of them: however often a camera is killed, it is never locked out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from device.boot import Boot
from device.cloud_errors import RefusedError, UnreachableError
from device.reporter import Reporter


class Service:
    """Remembers the last two boots, and takes a new one that announces one of them. `deaf`: hears nothing."""

    def __init__(self) -> None:
        self.heard: List[str] = []
        self.asked = 0
        self.is_deaf = False

    def report(self, report: Dict[str, Any]) -> Dict[str, Any]:
        self.asked += 1
        if self.is_deaf:
            raise UnreachableError("nobody there")
        boot, previous = report["boot"], report["previous_boot"]
        if boot not in self.heard[-1:]:
            if self.heard and previous not in [None, *self.heard][-2:]:
                raise RefusedError(409, "stale-boot", "unknown")
            self.heard.append(boot)
        return {"verdict": "none"}


def started(path: Path, service: Service) -> Reporter:
    return Reporter(service, Boot(path), dict)  # type: ignore[arg-type]


def killed_before_it_knew(path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is heard; the process ends before it has written that down."""
    with monkeypatch.context() as dying:
        dying.setattr(Boot, "answered", lambda self: None)
        started(path, service).send("idle")


def test_a_start_announces_the_one_before(tmp_path: Path) -> None:
    service, path = Service(), tmp_path / "boot.json"
    started(path, service).send("idle")
    assert Boot(path).previous == service.heard[0]


@pytest.mark.parametrize("kills", [1, 2, 5, 15])
@pytest.mark.parametrize("is_new", [True, False])
def test_however_often_it_is_killed_before_it_knew_that_it_was_heard_it_is_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, is_new: bool
) -> None:
    service, path = Service(), tmp_path / "boot.json"
    if not is_new:
        started(path, service).send("idle")
    for _ in range(kills):
        killed_before_it_knew(path, service, monkeypatch)
    started(path, service).send("idle")
    service.asked = 0
    started(path, service).send("idle")
    assert (len(service.heard), service.asked) == (kills + 3 - is_new, 1)


def test_starts_that_nobody_heard_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, path = Service(), tmp_path / "boot.json"
    started(path, service).send("idle")
    for is_deaf in (True, False, True, True, False, True):
        service.is_deaf = is_deaf
        if is_deaf:
            with pytest.raises(UnreachableError):
                started(path, service).send("idle")
        else:
            killed_before_it_knew(path, service, monkeypatch)
    service.is_deaf = False
    started(path, service).send("idle")
    assert len(service.heard) == 4


def test_a_stranger_is_refused_after_a_few_questions(tmp_path: Path) -> None:
    service = Service()
    for camera in ("one", "one"):
        started(tmp_path / camera, service).send("idle")
    service.asked = 0
    stranger = started(tmp_path / "other", service)
    for asked in (1, 2):
        with pytest.raises(RefusedError):
            stranger.send("idle")
        assert service.asked == asked


@pytest.mark.parametrize("content", [None, b"", b"{half", b'{"answered": 3, "unsure": "x"}', b'{"answered": "a"}'])
def test_what_an_older_agent_or_a_damaged_disk_left_is_read(tmp_path: Path, content: Optional[bytes]) -> None:
    path = tmp_path / "boot.json"
    if content is not None:
        path.write_bytes(content)
    boot = Boot(path)
    assert boot.previous == ("a" if content == b'{"answered": "a"}' else None)
    assert not boot.try_another()
