"""The models and the service of the functional tests, for those that put several processes together."""

from __future__ import annotations

from tests.functional.conftest import archives, empty, serving

__all__ = ["archives", "empty", "serving"]
