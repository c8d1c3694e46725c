"""Every blueprint, registered on one app."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.api import deploy, inference, keys, ledger, models, pages, uploads
from chalicelib.api.application import BinsightApp
from chalicelib.services.suite import Services

BLUEPRINTS = (pages.api, inference.api, models.api, deploy.api, uploads.api, keys.api, ledger.api)


def create_app(make_services: Callable[[], Services], cors_origin: str | None = None) -> BinsightApp:
    app = BinsightApp(make_services, cors_origin)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app
