"""Lambda entry points and wiring."""

from chalicelib.api.observation import EmfRecorder, configure_logging, record_nothing
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import make_services
from chalicelib.config import from_environment

settings = from_environment()
configure_logging()
record = record_nothing if settings.is_embedded else EmfRecorder()
app = create_app(lambda: make_services(settings), settings.cors_origin, record)
