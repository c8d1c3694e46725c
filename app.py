"""Lambda entry points and wiring."""

from chalicelib.api.routes import create_app
from chalicelib.bootstrap import make_services
from chalicelib.config import from_environment

settings = from_environment()
app = create_app(lambda: make_services(settings), settings.cors_origin)
