"""A headless Chromium behind chromedriver, spoken to in the W3C's WebDriver protocol: plain JSON over HTTP."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.functional.service import free_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
WAIT_S = 180
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,900",
)


def missing() -> str | None:
    """What is not installed, as the reason to skip."""
    if shutil.which("chromedriver") is None or chromium() is None:
        return "needs a browser: apt-get install chromium chromium-driver"
    return None


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(frozen=True)
class Browser:
    session: str

    def open(self, url: str) -> None:
        self._post("url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._post("execute/sync", {"script": script, "args": list(arguments)})

    def fill(self, selector: str, text: str) -> None:
        """Types into a field, or hands a file's path to a file input."""
        self._post(f"element/{self._element(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._post(f"element/{self._element(selector)}/click", {})

    def text(self, selector: str) -> str:
        """As a person sees it: empty where the element is hidden."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector)).strip()

    def shows(self, selector: str) -> bool:
        return bool(self.run("return document.querySelector(arguments[0]).checkVisibility()", selector))

    def wait_for(self, selector: str) -> str:
        """The element's text once it is shown and the page has its answer."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            busy = self.run("return document.getElementById('answer').ariaBusy")
            if busy == "false" and self.shows(selector):
                return self.text(selector)
            time.sleep(0.05)
        raise AssertionError(f"{selector} is not shown; the page says: {self.text('body')}")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(_call("GET", f"{self.session}/screenshot")))

    def complaints(self) -> list[str]:
        """What the page wrote to the console as errors, blocked resources included."""
        log = self._post("se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def _element(self, selector: str) -> str:
        return str(self._post("element", {"using": "css selector", "value": selector})[ELEMENT])

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return _call("POST", f"{self.session}/{command}", body)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """`profile` is an empty folder for Chromium's own data."""
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        session = _new_session(f"http://127.0.0.1:{port}", profile)
        try:
            yield Browser(session)
        finally:
            _call("DELETE", session)
    finally:
        driver.terminate()
        driver.wait(60)


def _new_session(driver: str, profile: Path) -> str:
    options = {"binary": chromium(), "args": [*FLAGS, f"--user-data-dir={profile}"]}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            made = _call("POST", f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return f"{driver}/session/{made['sessionId']}"


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=180) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{method} {url}: {error.read().decode()[:500]}") from error
