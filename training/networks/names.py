"""Names of layers that exported files, checkpoints and manifests share."""

NORMALIZE = "normalize"
FEATURES = "features"
HEAD = "head"
PROBABILITIES = "prob"
