"""Every blueprint, registered on one app."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.api import deploy, devices, events, fleets, inference, keys, ledger, models, pages, uploads
from chalicelib.api.application import BinsightApp
from chalicelib.api.observation import RequestRecorder, record_nothing
from chalicelib.services.suite import Services

BLUEPRINTS = (
    pages.api,
    inference.api,
    models.api,
    deploy.api,
    devices.api,
    fleets.api,
    events.api,
    uploads.api,
    keys.api,
    ledger.api,
)


def create_app(
    make_services: Callable[[], Services],
    cors_origin: str | None = None,
    record: RequestRecorder = record_nothing,
) -> BinsightApp:
    app = BinsightApp(make_services, cors_origin, record)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app
