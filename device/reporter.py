"""Reports to the service, numbered within the boot; an unanswered one is repeated unchanged before the next."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional

from device.boot import Boot
from device.cloud import Cloud
from device.cloud_errors import RefusedError


class Reporter:
    """Used by one thread. describe: what every report says beside its stage."""

    def __init__(self, cloud: Cloud, boot: Boot, describe: Callable[[], Dict[str, Any]]) -> None:
        self._cloud, self._boot, self._describe = cloud, boot, describe
        self._sequence = 0
        self._unanswered: Optional[Dict[str, Any]] = None

    def send(self, stage: str, **members: Any) -> Dict[str, Any]:
        """The service's reply. Raises: CloudError."""
        if self._unanswered is not None:
            try:
                self._post(self._unanswered)
            except RefusedError:
                # It was answered, and is of no use any more.
                self._unanswered = None
        self._sequence += 1
        report = {
            **self._describe(),
            **members,
            "boot": self._boot.id,
            "sequence": self._sequence,
            "stage": stage,
            "sent_at_s": round(time.time(), 3),
        }
        self._unanswered = {name: value for name, value in report.items() if value is not None}
        try:
            return self._post(self._unanswered)
        except RefusedError:
            self._unanswered = None
            raise

    def _post(self, report: Dict[str, Any]) -> Dict[str, Any]:
        """Announces one start after the other until the service knows it. Raises: CloudError."""
        self._boot.begins_to_speak()
        while True:
            try:
                reply = self._cloud.report({**report, "previous_boot": self._boot.previous})
            except RefusedError as error:
                if error.kind != "stale-boot" or not self._boot.try_another():
                    raise
            else:
                self._unanswered = None
                self._boot.answered()
                return reply
