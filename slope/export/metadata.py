"""What a file says about its model besides the numbers."""

import json

from slope.trained import TrainedModel


def metadata_of(model: TrainedModel) -> dict[str, str]:
    """Strings by name, as safetensors and ONNX keep them; `features` is a JSON list."""
    known = {
        "job_id": model.job_id,
        "dtype": model.dtype,
        "target": model.target,
        "features": None if model.features is None else json.dumps(list(model.features)),
        "epoch": None if model.epoch is None else str(model.epoch),
        "scaler": "z = (x - means) / deviations" if model.scaler else None,
        "target_scaler": "y = z·w + b + target_mean" if model.scaler and model.scaler.target_mean else None,
    }
    return {name: value for name, value in known.items() if value is not None}
