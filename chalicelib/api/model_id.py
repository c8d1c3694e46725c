"""The ids of models, as callers give them."""

import re

from chalicelib.domain.errors import ModelNotFoundError

MODEL_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,74}")


def checked_model_id(model_id: str) -> str:
    """Raises: ModelNotFoundError for what no id looks like; whatever else it is, it never reaches the store."""
    if not MODEL_ID.fullmatch(model_id):
        raise ModelNotFoundError(
            "No model has such an id: ids are made of a-z, 0-9 and hyphens. GET /models lists them."
        )
    return model_id
