"""The corpus of odd and hostile bodies, posted to the service in a process of its own, whose memory is watched."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from tests.corpus import OK, Case, corpus
from tests.corpus.case import encoded
from tests.device.models import RED, jpeg, plain
from tests.functional.client import Answer
from tests.functional.conftest import Archives
from tests.functional.service import ADMIN_KEY, promote
from tests.functional.test_bodies import multipart, send
from tests.functional.test_restart import Running, service_process

CASES = corpus()
STATUS = {
    "not-an-image": 400,
    "empty-image": 400,
    "truncated-image": 400,
    "unsupported-image": 415,
    "image-too-large": 413,
    "image-too-small": 422,
}
MAX_RESIDENT_MB = 300
MAX_PHOTOS = 16
AT_ONCE = 8
PHOTO = jpeg(plain(RED))


@dataclass
class Memory:
    """The largest resident set of a process since `watched` began, in MB."""

    pid: int
    peak_mb: float = 0.0
    stopping: threading.Event = field(default_factory=threading.Event)

    def sample(self) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()
        resident_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        self.peak_mb = max(self.peak_mb, int(resident_kb) / 1024)

    def watch(self) -> None:
        while not self.stopping.wait(0.002):
            self.sample()


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    memory = Memory(pid)
    memory.sample()
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.stopping.set()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, archives: Archives) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("corpus") / "home"
    with service_process(home, BINSIGHT_ADMIN_KEY=ADMIN_KEY) as running:
        for archive in archives.values():
            promote(running.client, archive)
        yield running


def is_as_expected(answer: Answer, case: Case) -> None:
    # Nothing at all is said apart from what is no image: 0 bytes are what a form without a file sends.
    expected = case.expected if case.body else "empty-image"
    if expected == OK:
        assert answer.status == 200, answer.body[:300]
        assert answer.json()["label"] in {"landfill", "compost", "recycling"}
        return
    assert (answer.status, answer.problem) == (STATUS[expected], expected)
    assert len(answer.json()["detail"]) > 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_body_is_answered_as_it_should(service: Running, case: Case) -> None:
    is_as_expected(service.client.call("POST", "/classify", case.body, {"Content-Type": "image/jpeg"}), case)


@pytest.mark.parametrize("task", ["count", "detect"])
def test_the_other_tasks_refuse_the_same(service: Running, task: str) -> None:
    for case in CASES:
        answer = service.client.call("POST", f"/{task}", case.body)
        assert (answer.status == 200) == (case.expected == OK), case.name


def test_base64_and_forms_refuse_the_same(service: Running) -> None:
    for case in CASES:
        if len(case.body) > 4 * 1024 * 1024:
            continue
        document = {"image": base64.b64encode(case.body).decode()}
        is_as_expected(service.client.post("/classify", document), case)
        is_as_expected(send_form(service, case), case)


def send_form(service: Running, case: Case) -> Answer:
    return send(service, multipart(("photo", case.body)))


def test_a_batch_of_hostile_photos_has_a_problem_each(service: Running) -> None:
    small = [case for case in CASES if len(case.body) < 200_000]
    for start in range(0, len(small), MAX_PHOTOS):
        cases = small[start : start + MAX_PHOTOS]
        answer = send(service, multipart(*((case.name, case.body) for case in cases)))
        results = answer.json()["results"] if len(cases) > 1 else [{"result": answer.json()}]
        assert ["result" in result for result in results] == [case.expected == OK for case in cases]


def test_nothing_fails_hangs_or_fills_the_memory_when_it_all_comes_at_once(service: Running) -> None:
    with watched(service.process.pid) as memory, ThreadPoolExecutor(AT_ONCE) as pool:
        began_s = time.monotonic()
        answers = list(pool.map(lambda case: service.client.call("POST", "/classify", case.body), CASES * 2))
        took_s = time.monotonic() - began_s
    for case, answer in zip(CASES * 2, answers, strict=True):
        is_as_expected(answer, case)
    print(f"{len(answers)} bodies in {took_s:.1f} s, {memory.peak_mb:.0f} MB at the most")
    assert memory.peak_mb < MAX_RESIDENT_MB


Ask = Callable[[], Answer]


def large_bodies(service: Running) -> list[Ask]:
    photo = PHOTO + bytes(9_000_000)
    document = {"image": base64.b64encode(photo).decode()}
    batch = multipart(*[(f"{place}.jpg", PHOTO + bytes(550_000)) for place in range(MAX_PHOTOS)])
    return [
        lambda: service.client.call("POST", "/classify", photo),
        lambda: service.client.post("/classify", document),
        lambda: send(service, batch),
    ]


def small_files_of_many_pixels(service: Running) -> list[Ask]:
    side = (1990, 1990)
    palette = Image.new("P", side)
    palette.putpalette(list(range(256)) * 3)
    bodies = [
        encoded(palette, "PNG", transparency=bytes([100] * 256)),
        encoded(Image.new("I;16", side, 30_000), "PNG"),
        encoded(Image.new("RGBA", side, (200, 30, 30, 100)), "WEBP"),
        encoded(Image.new("CMYK", side, (20, 30, 30, 100)), "JPEG", progressive=True),
        encoded(Image.new("RGB", (35_000, 650), (200, 30, 30)), "JPEG"),
    ]
    return [lambda body=body: service.client.call("POST", "/classify", body) for body in bodies]  # type: ignore[misc]


@pytest.mark.parametrize("kind", [large_bodies, small_files_of_many_pixels])
def test_what_takes_memory_takes_turns_and_leaves_none_behind(
    service: Running, kind: Callable[[Running], list[Ask]]
) -> None:
    asks = kind(service)
    with watched(service.process.pid) as memory, ThreadPoolExecutor(16) as pool:
        before_mb = memory.peak_mb
        answers = list(pool.map(lambda ask: ask(), asks * (15 // len(asks))))
    afterwards = Memory(service.process.pid)
    afterwards.sample()
    print(f"{before_mb:.0f} MB, {memory.peak_mb:.0f} MB at the most, {afterwards.peak_mb:.0f} MB afterwards")
    assert {answer.status for answer in answers} <= {200, 503}
    assert {answer.problem for answer in answers if answer.status == 503} <= {"server-busy"}
    assert 200 in {answer.status for answer in answers}
    assert memory.peak_mb < MAX_RESIDENT_MB
    assert afterwards.peak_mb < before_mb + 40


def test_the_service_is_well_afterwards_and_has_nothing_to_report(service: Running) -> None:
    assert service.client.call("POST", "/classify", PHOTO).json()["label"] == "landfill"
    lines = [json.loads(line) for line in service.written().splitlines() if line.startswith("{")]
    assert [line for line in lines if line["level"] in ("ERROR", "CRITICAL")] == []
    assert "Traceback" not in service.written()
