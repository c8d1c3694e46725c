"""`make demo`: the main story on this machine, from photos to an answer over HTTP.

DATA=<folder of folders of photos> trains on your photos, else on photos that the project renders; PRETRAINED=<prefix>
begins with an MXNet checkpoint; TASK is classify, count or detect. Run from the checkout's root.
"""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

from scripts import demo_fleet, demo_report
from scripts.demo_report import Asked
from scripts.demo_training import DemoModel, DemoTrainingError, starter_model, train, train_badly
from scripts.service_process import Client, ServiceError, ServiceProcess

TASKS = ("classify", "count", "detect")
DEFAULT_HOME = Path(".binsight/demo")
KEPT_PHOTOS = 6
SHOWN_ANSWERS = 8
MAX_ASKED = 400
MAX_HOMES = 20
LINE_EVERY_S = 5.0
FRAMES = 60


class InterruptedDemoError(Exception):
    """Ctrl-C or SIGTERM."""


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            tell_story(stack)
    except InterruptedDemoError:
        print("\ndemo: interrupted; what it started has ended.", file=sys.stderr)
        return 130
    except (DemoError, DemoTrainingError, ServiceError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def tell_story(stack: ExitStack) -> None:
    begun_s = time.monotonic()
    task = _task()
    home = stack.enter_context(_own_home())
    _step(f"1. The embedded service starts (state in {home})")
    service = ServiceProcess(home, home / "service.log")
    stack.callback(service.stop)
    _step("2. A model is trained, evaluated and packaged")
    model = _model(task, home)
    _step("3. The model is registered, approved and promoted to the endpoint")
    promoted = _promote(service.client, task, model)
    _step(f"4. {promoted} answers photos that training never saw, over HTTP")
    asked = _ask(service.client, task, model)
    print(demo_report.table(asked[:: max(1, len(asked) // SHOWN_ANSWERS)][:SHOWN_ANSWERS]))
    if task == "classify" and model.artifact is not None:
        _show_fleet(service.client, home, promoted, [one.photo.read_bytes() for one in asked[:FRAMES]])
    _sum_up(task, asked, time.monotonic() - begun_s)
    _say_what_to_paste(service.client, home, task, asked)


def _show_fleet(client: Client, home: Path, good: str, frames: Sequence[bytes]) -> None:
    """Raises: DemoError when the cameras do not end where they should."""
    _step(f"5. Three simulated cameras get {good}, wave by wave; each proves what it runs")
    with demo_fleet.cameras(client, frames):
        _expect(demo_fleet.promote_to_fleet(client, good, with_endpoint=False), "succeeded")
        _step("6. A deliberately bad model is promoted to the endpoint and to the cameras, and taken back")
        bad = _register(client, train_badly(os.environ.get("DATA"), home / "work"), "deliberately bad")
        ended = demo_fleet.promote_to_fleet(client, bad, with_endpoint=True)
        _expect(ended, "reverted")
        print(f"   taken back because: {ended['reason']}")
        answering = client.ask("classify", frames[0])["model"]["id"]
        if answering != good:
            raise DemoError(f"{answering} answers at the endpoint, where {good} should again.")
        back = ended["counts"]["back"]
        print(f"   {good} answers again at the endpoint, and {back} cameras have proved that they run it again.")


def _expect(deployment: dict[str, Any], state: str) -> None:
    if deployment["state"] != state:
        raise DemoError(f"the promotion should have {state}, but it is {deployment['state']}: {deployment['waiting']}")


def _task() -> str:
    task = os.environ.get("TASK") or "classify"
    if task not in TASKS:
        raise DemoError(f"TASK={task} is none of {', '.join(TASKS)}.")
    return task


def _model(task: str, home: Path) -> DemoModel:
    data, pretrained = os.environ.get("DATA"), os.environ.get("PRETRAINED")
    unavailable = Path(".venv-train/unavailable.txt")
    if unavailable.exists():
        print(f"   MXNet cannot run here: {unavailable.read_text().splitlines()[-1]}")
        print("   The story goes on with the starter model that ships with Binsight.")
        return starter_model(task, data, home / "work")
    return train(task, data, pretrained, home / "work")


def _promote(client: Client, task: str, model: DemoModel) -> str:
    """The id of the model that answers for the task from now on. Raises: ServiceError, DemoError."""
    if model.artifact is None:
        return str(client.call("GET", f"/models?task={task}")["items"][0]["id"])
    model_id = _register(client, model.artifact, "the demo's own model")
    deployment = _ended(client, client.call("POST", "/deploy", {"model": model_id}))
    if deployment["state"] != "succeeded":
        raise DemoError(f"the promotion ended as {deployment['state']}: {deployment['reason']}")
    print(f"   {model_id} (digest {deployment['digest'][:12]}) is live: it answered its own proof.")
    return model_id


def _ended(client: Client, deployment: dict[str, Any]) -> dict[str, Any]:
    """The service's timer may have taken a step at the same moment: the promotion goes on by itself then."""
    until_s = time.monotonic() + demo_fleet.TIMEOUT_S
    while deployment["state"] not in demo_fleet.ENDED and time.monotonic() < until_s:
        time.sleep(demo_fleet.POLL_S)
        deployment = client.call("GET", f"/deploy/{deployment['id']}")
    return deployment


def _register(client: Client, artifact: Path, reason: str) -> str:
    """The id of the artifact's model, registered and approved."""
    model = client.call("POST", "/models", {"upload": client.upload(artifact, "application/gzip")})
    client.call("POST", f"/models/{model['id']}/approve", {"reason": reason, "override": True})
    return str(model["id"])


def _ask(client: Client, task: str, model: DemoModel) -> list[Asked]:
    held_out = model.held_out[:: max(1, -(-len(model.held_out) // MAX_ASKED))]
    asked: list[Asked] = []
    shown_s = time.monotonic()
    for photo, truth in held_out:
        asked.append(Asked(photo, truth, client.ask(task, photo.read_bytes())))
        if time.monotonic() - shown_s > LINE_EVERY_S:
            shown_s = time.monotonic()
            print(f"   {len(asked)} of {len(held_out)} photos answered", flush=True)
    return asked


def _sum_up(task: str, asked: Sequence[Asked], seconds: float) -> None:
    known = [one for one in asked if not one.answer["unknown"]]
    print(f"\n   photos asked           {len(asked)}, held out from training")
    if task == "classify":
        print(f"   macro-averaged recall  {demo_report.macro_recall(asked):.3f}")
    else:
        print(f"   exactly right          {demo_report.exact_share(asked):.3f}")
    right = demo_report.exact_share(known) if known else 0.0
    print(f"   answered, not unknown  {len(known) / len(asked):.0%}, {right:.0%} of them right")
    print(f"   median milliseconds    {demo_report.median_ms(asked):.1f}")
    print(f"   the whole story took   {seconds:.0f} s")


def _say_what_to_paste(client: Client, home: Path, task: str, asked: Sequence[Asked]) -> None:
    folder = home / "photos"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for one in asked[:: max(1, len(asked) // KEPT_PHOTOS)][:KEPT_PHOTOS]:
        shutil.copyfile(one.photo, folder / one.photo.name)
    photo = sorted(folder.iterdir())[0]
    key = client.call("POST", "/keys", {"name": "demo", "scopes": ["inference"]})["key"]
    print("\nPaste these two lines, each in a terminal of its own, to ask it yourself:\n")
    print(f"  make run BINSIGHT_HOME={home}")
    print(f'  curl -H "Authorization: Bearer {key}" --data-binary @{photo} http://127.0.0.1:8000/{task}')


@contextmanager
def _own_home() -> Iterator[Path]:
    """BINSIGHT_HOME, or the first default home that no other demo is using. Raises: DemoError."""
    given = os.environ.get("BINSIGHT_HOME")
    candidates = [Path(given)] if given else [DEFAULT_HOME, *(Path(f"{DEFAULT_HOME}-{n}") for n in range(2, MAX_HOMES))]
    for home in candidates:
        home.mkdir(parents=True, exist_ok=True)
        with (home / "demo.lock").open("w") as lock:
            if _is_ours(lock):
                yield home
                return
    raise DemoError(f"another demo is using {candidates[0]}; give this one its own: BINSIGHT_HOME=<folder>.")


def _is_ours(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _step(title: str) -> None:
    print(f"\n{title}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise InterruptedDemoError


if __name__ == "__main__":
    sys.exit(main())
