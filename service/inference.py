"""The Open Inference Protocol, version 2: tensors in, a tensor out, as JSON or with their numbers as bytes behind it.

A model has one input `x` (rows × features) and one output `y` (rows). https://github.com/kserve/open-inference-protocol
"""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from service import models
from service.bodies import parsed
from service.errors import InvalidRequest, MalformedRequest
from slope.data import Array
from slope.spec import Fault
from slope.spec.data import Rows
from slope.spec.part import Part
from slope.trained import TrainedModel

Datatype = Literal[
    "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"
]  # fmt: skip
_LETTERS = {"FP": "f", "INT": "i", "UINT": "u"}
Parameters = dict[str, Any]


class InputTensor(Part):
    name: Literal["x"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] = Field(examples=[[1, 1]])
    """Rows × features."""
    datatype: Datatype
    parameters: Parameters = {}
    """`binary_data_size`: how many bytes behind the JSON are the data, little-endian and row by row."""
    data: Rows | None = None
    """Row by row, or as rows."""


class OutputTensor(Part):
    name: Literal["y"]
    parameters: Parameters = {}
    """`binary_data`: whether the data comes as bytes behind the JSON."""


class InferenceRequest(Part):
    id: str | None = None
    parameters: Parameters = {}
    """`binary_data_output`: whether outputs that are not asked for by name come as bytes."""
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[OutputTensor] = Field(default=[], max_length=1)

    @property
    def wants_bytes(self) -> bool:
        every = self.parameters.get("binary_data_output", False)
        return any(each.parameters.get("binary_data", every) is True for each in self.outputs or [_Y])


_Y = OutputTensor(name="y")


@dataclass(frozen=True)
class InferenceAnswer:
    """`header_length` is how much of the body is JSON; None where all of it is."""

    body: bytes
    header_length: int | None


def infer(model: TrainedModel, body: bytes, header_length: int | None) -> InferenceAnswer:
    """Raises MalformedRequest and InvalidRequest."""
    request, tail = _read(body, header_length)
    y = models.predict(model, _matrix(request.inputs[0], tail, len(model.weights)), "/inputs/0")
    output: dict[str, Any] = {"name": "y", "shape": [len(y)], "datatype": datatype_of(model)}
    answer = {"model_name": model.job_id, "outputs": [output]} | ({"id": request.id} if request.id else {})
    if not request.wants_bytes:
        output["data"] = [number if math.isfinite(number) else None for number in y.tolist()]
        return InferenceAnswer(json.dumps(answer, allow_nan=False).encode(), None)
    content = y.astype(np.dtype(model.dtype).newbyteorder("<")).tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    header = json.dumps(answer).encode()
    return InferenceAnswer(header + content, len(header))


def datatype_of(model: TrainedModel) -> Datatype:
    return "FP32" if model.dtype == "float32" else "FP64"


def _read(body: bytes, header_length: int | None) -> tuple[InferenceRequest, bytes]:
    """The request, and the bytes behind it."""
    end = len(body) if header_length is None else header_length
    if not 0 <= end <= len(body):
        raise MalformedRequest("The body is shorter than Inference-Header-Content-Length says")
    return parsed(InferenceRequest, body[:end]), body[end:]


def _matrix(tensor: InputTensor, tail: bytes, features: int) -> Array:
    if tensor.shape[1] != features:
        detail = f"A row has {tensor.shape[1]} numbers, the model {features} features"
        raise _invalid(detail, "/inputs/0/shape/1")
    numbers = _numbers(tensor, tail)
    if numbers.size != tensor.shape[0] * features:
        detail = f"There are {numbers.size} numbers, the shape says {tensor.shape[0]} × {features}"
        raise _invalid(detail, "/inputs/0/data" if tensor.data is not None else "/inputs/0/shape")
    return numbers.reshape(-1, features)


def _numbers(tensor: InputTensor, tail: bytes) -> Array:
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if tensor.data is None:
            raise _invalid("There is no data", "/inputs/0")
        return np.array(tensor.data, float)
    dtype = np.dtype(_numpy_name(tensor.datatype))
    if size != len(tail) or tensor.data is not None or len(tail) % dtype.itemsize:
        detail = f"There are {len(tail)} bytes behind the JSON: it must be the size, and whole numbers of the datatype"
        raise _invalid(detail, "/inputs/0/parameters/binary_data_size")
    numbers = np.frombuffer(tail, dtype).astype(float)
    if not np.isfinite(numbers).all():
        raise _invalid("There is a number that is not finite", "/inputs/0")
    return numbers


def _numpy_name(datatype: Datatype) -> str:
    """FP32 → <f4."""
    kind = datatype.rstrip("0123456789")
    return f"<{_LETTERS[kind]}{int(datatype.removeprefix(kind)) // 8}"


def _invalid(detail: str, pointer: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer)])
