"""The same service that the functional tests ask."""

from tests.functional.conftest import archives, empty, serving

__all__ = ["archives", "empty", "serving"]
