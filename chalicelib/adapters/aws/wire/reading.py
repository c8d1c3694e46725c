"""Replies of endpoints, read without trusting them."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from threading import Lock
from typing import Any

from chalicelib.adapters.aws.invocation_failures import failed
from chalicelib.domain.inference import ServedModel
from device.runtime.manifest import Manifest, ManifestError, parse_manifest

MAX_PARSED = 16


class ParsedManifests:
    """Manifests by their artifact's digest: parsed once, not for every photo."""

    def __init__(self) -> None:
        self._parsed: OrderedDict[str, Manifest] = OrderedDict()
        self._lock = Lock()

    def __call__(self, served: ServedModel) -> Manifest:
        """Raises: EndpointFailedError."""
        with self._lock:
            manifest = self._parsed.pop(served.digest, None) or _parse(served)
            self._parsed[served.digest] = manifest
            if len(self._parsed) > MAX_PARSED:
                self._parsed.popitem(last=False)
        return manifest


def read_json(endpoint: str, reply: bytes) -> Any:
    """Raises: EndpointFailedError for what is no JSON, which NaN and infinity are not, and for what no float can be."""
    try:
        return json.loads(reply, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise failed(endpoint, f"its answer is not JSON ({error})") from error


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse(served: ServedModel) -> Manifest:
    try:
        return parse_manifest(served.manifest)
    except ManifestError as error:
        raise failed(served.endpoint, f"the manifest of model {served.model_id} does not fit, {error}") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value
