"""A model as JSON. Every number is there twice, each time to the bit: the shortest decimal one, and hexadecimal."""

from typing import Any

from slope.trained import TrainedModel


def to_json(model: TrainedModel) -> dict[str, Any]:
    """`weights` and `bias` are of x as it is; `scaled` has those of the standardized x, as they were trained."""
    decimal = _numbers(model)
    return {
        "job_id": model.job_id,
        "epoch": model.epoch,
        "dtype": model.dtype,
        "features": None if model.features is None else list(model.features),
        "target": model.target,
        **decimal,
        "hexadecimal": _in_hexadecimal(decimal),
    }


def _numbers(model: TrainedModel) -> dict[str, Any]:
    weights, bias = model.in_own_units
    return {"weights": weights.tolist(), "bias": bias, "scaled": _scaled(model)}


def _scaled(model: TrainedModel) -> dict[str, Any] | None:
    if model.scaler is None:
        return None
    return {"weights": model.weights.tolist(), "bias": model.bias, **model.scaler.document}


def _in_hexadecimal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_hexadecimal(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_hexadecimal(each) for each in value]
    return None if value is None else value.hex()
