"""The models and the service of the functional tests, and moto, for those that put several processes together."""

from __future__ import annotations

from tests.functional.conftest import archives, empty, serving
from tests.integration.conftest import aws, clients

__all__ = ["archives", "aws", "clients", "empty", "serving"]
