"""Lambda entry points and wiring."""

from chalice.app import CloudWatchEvent

from chalicelib.api.observation import EmfRecorder, configure_logging, record_nothing
from chalicelib.api.routes import create_app
from chalicelib.bootstrap import make_services
from chalicelib.config import from_environment

# Hints only: how a job stands, SageMaker is asked every time.
JOBS = ("Training Job", "Processing Job", "HyperParameter Tuning Job")
JOB_CHANGES = {"source": ["aws.sagemaker"], "detail-type": [f"SageMaker {job} State Change" for job in JOBS]}

settings = from_environment()
configure_logging()
record = record_nothing if settings.is_embedded else EmfRecorder()
app = create_app(lambda: make_services(settings), settings.cors_origin, record)


@app.schedule("rate(1 minute)")  # type: ignore[untyped-decorator, unused-ignore]
def tick(event: CloudWatchEvent) -> None:
    """Finds what an event missed, and everything that waits for time to pass."""
    app.services.tick()


@app.on_cw_event(JOB_CHANGES)  # type: ignore[untyped-decorator, unused-ignore]
def job_changed(event: CloudWatchEvent) -> None:
    names = (event.detail.get("TrainingJobName"), event.detail.get("ProcessingJobName"))
    for name in filter(None, names):
        app.services.training.progress.follow(name)
