"""The same artifacts that the functional tests serve."""

from tests.functional.conftest import archives

__all__ = ["archives"]
