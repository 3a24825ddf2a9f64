"""The Open Inference Protocol, version 2: tensors in, a tensor out, as JSON or with their numbers as bytes behind it.

A model has one input `x` (rows × features), which may come as a tensor for each feature, and one output `y` (rows).
https://github.com/kserve/open-inference-protocol
"""

import json
import math
from collections.abc import Set
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from service.api.protocols.tensors import MAX_TENSORS, Tensor, rows_of_tensors
from service.api.request_bodies.json_body import Foreign, parse_body
from service.api.schemas.kserve import datatype_of
from service.errors import MalformedRequest
from service.prediction import trained_models
from slope.spec.data import default_features
from slope.spec.part import FewFaults, at_most
from slope.trained import TrainedModel


class OutputParameters(Foreign):
    binary_data: bool | None = None
    """Whether the data comes as bytes behind the JSON."""


class RequestParameters(Foreign):
    binary_data_output: bool = False
    """Whether outputs that do not say it themselves come as bytes."""


class OutputTensor(Foreign):
    name: Literal["y"]
    """`y`."""
    parameters: OutputParameters = OutputParameters()


class InferenceRequest(Foreign):
    id: Annotated[str, Field(max_length=1_000)] | None = None
    """Comes back with the answer."""
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[Tensor], Field(min_length=1), FewFaults, at_most(MAX_TENSORS)]
    """The tensor `x`, or a tensor for each feature."""
    outputs: list[OutputTensor] = Field(default=[], max_length=1)
    """What is asked for; `y` if nothing is."""

    @property
    def wants_bytes(self) -> bool:
        asked = (self.outputs or [_Y])[0].parameters.binary_data
        return self.parameters.binary_data_output if asked is None else asked


_Y = OutputTensor(name="y")


@dataclass(frozen=True)
class InferenceAnswer:
    """`header_length` is how much of the body is JSON; None where all of it is."""

    body: bytes
    header_length: int | None


def answer_inference(model: TrainedModel, body: bytes, header_length: int | None) -> InferenceAnswer:
    """Raises MalformedRequest, InvalidRequest and TableTooLarge."""
    features = model.features or default_features(len(model.weights))
    request, tail = _read(body, header_length, {"x", *features})
    y = trained_models.predict_rows(model, rows_of_tensors(request.inputs, tail, features), "/inputs/0")
    output: dict[str, Any] = {"name": "y", "shape": [len(y)], "datatype": datatype_of(model)}
    answer = {"model_name": model.job_id, "outputs": [output]} | ({"id": request.id} if request.id else {})
    if not request.wants_bytes:
        output["data"] = [number if math.isfinite(number) else None for number in y.tolist()]
        return InferenceAnswer(json.dumps(answer, allow_nan=False).encode(), None)
    content = y.astype(np.dtype(model.dtype).newbyteorder("<")).tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    header = json.dumps(answer).encode()
    return InferenceAnswer(header + content, len(header))


def _read(body: bytes, header_length: int | None, inputs: Set[str]) -> tuple[InferenceRequest, bytes]:
    """The request, and the bytes behind it. Of tensors that have other names than these only the size is read."""
    end = len(body) if header_length is None else header_length
    if not 0 <= end <= len(body):
        raise MalformedRequest("The body is shorter than Inference-Header-Content-Length says")
    return parse_body(InferenceRequest, body[:end], inputs), body[end:]
