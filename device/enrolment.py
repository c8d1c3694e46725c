"""A camera's first words: a fleet's enrolment code against a key of its own."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Optional, Tuple

from device.cloud import document_of, refusal_of
from device.cloud_errors import CloudError
from device.transport import ADDRESS, Transport, is_allowed


def enrol(service: str, code: str, engine: str, site: str, ca_file: Optional[str]) -> Tuple[str, str]:
    """The device's id and its key, which is shown this once. Raises: CloudError."""
    if not is_allowed(service):
        raise CloudError("the service's address %s; not %r" % (ADDRESS, service.rpartition("@")[2]))
    body = {"engine": engine, "site": site, "hardware": hardware(), "memory_mb": memory_mb()}
    headers = {"Authorization": "Bearer " + code, "Content-Type": "application/json", "Accept": "application/json"}
    url = service.rstrip("/") + "/devices"
    answer = Transport(ca_file).ask("POST", url, json.dumps(body).encode(), headers)
    if answer.status != 201:
        raise refusal_of(answer)
    document = document_of(answer)
    return str(document["id"]), str(document["key"])


def hardware() -> str:
    if Path("/opt/awscam").is_dir():
        return "DeepLens"
    return ("%s %s" % (platform.system(), platform.machine()))[:100]


def memory_mb() -> int:
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
