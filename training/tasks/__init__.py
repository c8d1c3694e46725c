"""What each task does in its own way between a data set and a packaged model; the steps are the same for all."""

from collections.abc import Mapping

from training.tasks.classify import CLASSIFY
from training.tasks.count import COUNT
from training.tasks.detect import DETECT
from training.tasks.task import PreparedData, Task

TASKS: Mapping[str, Task] = {task.name: task for task in (CLASSIFY, COUNT, DETECT)}

__all__ = ["TASKS", "PreparedData", "Task"]
