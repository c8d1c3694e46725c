"""Hyperparameters, as SageMaker hands them over (strings), to a checked settings object with defaults."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from training.layout import TrainingError

TASKS = ("classify", "count", "detect")
SHARES = ("momentum", "dropout", "label_smoothing", "average_decay")
FITS = ("squash", "crop", "letterbox")


@dataclass(frozen=True)
class TrainSettings:
    task: str = "classify"
    seed: int = 0
    image_size: int = 96
    fit: str = "squash"
    network: str = "small"
    channels: str = "16,32,64,128"  # one stride-2 stage each, multiples of 16
    depths: str = "1,1,1,1"  # convolutions in each stage
    pooling: str = "avg"  # avg | avgmax: mean of each feature over the photo, or mean and maximum
    pooled_stages: int = 1  # the last stages whose features are pooled and joined
    dropout: float = 0.0
    epochs: int = 20
    max_seconds: float = 0.0  # 0: no limit; else the last epoch begun before it is the last
    batch_size: int = 64
    optimizer: str = "nag"
    learning_rate: float = 0.1
    head_rate: float = 1.0  # how many times faster the last layer learns than those that were trained before
    momentum: float = 0.9
    weight_decay: float = 0.0005
    class_balance: float = 1.0  # 0: photos as they come; 1: every class equally often
    label_smoothing: float = 0.05
    mixup: float = 0.0  # Beta(mixup, mixup); 0: off
    augment: float = 1.0  # strength; 0: off
    contrast: int = 0  # 1: the network itself enhances each photo's contrast, so that serving does, too
    flip: str = "horizontal"  # none | horizontal | any (also upside down and by quarter turns)
    average_decay: float = 0.0  # moving average of the weights; 0: off
    patience: int = 0  # epochs without a better validation loss; 0: never stop early
    keep: str = "best"  # best | last: whose weights become the model
    pretrained: str = ""  # a checkpoint prefix in the channel `pretrained`
    pixel_mean: float = 127.5  # of the pretrained network; from scratch they are measured
    pixel_std: float = 127.5
    finetune_layers: int = 0  # last convolutions that train too; 0: only the head
    finetune_stride: int = 0  # layers on maps of 1/8, say, of the photo's side or less train; then not by number
    unclip: int = 0  # 1: ReLU in place of ReLU6 in the layers that train, which is faster
    standardize: int = 0  # 1: the head learns on features of mean 0 and deviation 1 (where nothing else trains)
    cached_views: int = 1  # augmented views of each photo in the frozen features' cache
    input_name: str = "data"
    options: str = "{}"  # JSON, for tasks with more to say

    @classmethod
    def from_hyperparameters(cls, values: Mapping[str, str]) -> "TrainSettings":
        """Raises: TrainingError, for a name that does not exist or a value that does not parse."""
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(values) - set(known) - {name for name in values if name.startswith("sagemaker_")})
        if unknown:
            raise TrainingError(f"unknown hyperparameters: {', '.join(unknown)} (known: {', '.join(sorted(known))})")
        parsed = {name: _parse(known[name], text) for name, text in values.items() if name in known}
        return cls(**parsed).checked()

    def checked(self) -> "TrainSettings":
        _require_one_of("task", self.task, TASKS)
        _require_one_of("fit", self.fit, FITS)
        _require_one_of("flip", self.flip, ("none", "horizontal", "any"))
        _require_one_of("pooling", self.pooling, ("avg", "avgmax"))
        if self.pretrained and (self.finetune_layers or self.finetune_stride) and self.standardize:
            raise TrainingError("standardize needs finetune_layers=0 and finetune_stride=0")
        if self.finetune_layers and self.finetune_stride:
            raise TrainingError("finetune_layers and finetune_stride say the same in two ways: give one of them")
        if self.task == "detect" and self.finetune_stride:
            raise TrainingError("finetune_stride is for photos that are classified or counted: give finetune_layers")
        if self.contrast and self.task == "detect":
            raise TrainingError("contrast is for photos that are classified or counted, not for detection")
        _require_one_of("keep", self.keep, ("best", "last"))
        if self.head_rate <= 0:
            raise TrainingError("head_rate must be more than 0")
        if self.image_size < 32 or self.batch_size < 2 or self.epochs < 1:
            raise TrainingError("image_size must be 32 or more, batch_size 2 or more, epochs 1 or more")
        if not self.learning_rate > 0:
            raise TrainingError(f"hyperparameter learning_rate: {self.learning_rate:g} is not above 0")
        for name in SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"hyperparameter {name}: {getattr(self, name):g} is not from 0 up to, without, 1")
        return self


def _parse(field: "Field[Any]", text: str) -> Any:
    default = field.default
    assert default is not MISSING
    unquoted = text.strip().strip('"')  # the SageMaker SDK JSON-encodes strings
    try:
        return type(default)(unquoted)
    except ValueError as error:
        raise TrainingError(f"hyperparameter {field.name}: {text!r} is not a {type(default).__name__}") from error


def _require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TrainingError(f"hyperparameter {name}: {value!r} is none of {', '.join(allowed)}")
