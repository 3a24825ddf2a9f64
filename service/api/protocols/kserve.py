"""The Open Inference Protocol, version 2: tensors in, a tensor out, as JSON or with their numbers as bytes behind it.

A model has one input `x` (rows × features) and one output `y` (rows). https://github.com/kserve/open-inference-protocol
"""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.api.request_bodies.json_body import Foreign, parse_body
from service.api.schemas.kserve import Datatype, datatype_of
from service.errors import InvalidRequest, MalformedRequest
from service.prediction import trained_models
from slope.data import Array
from slope.spec import Fault
from slope.spec.data import Rows
from slope.spec.faults import pointer as pointer_to
from slope.trained import TrainedModel

_LETTERS = {"FP": "f", "INT": "i", "UINT": "u"}


class InputParameters(Foreign):
    binary_data_size: Annotated[int, Field(ge=0)] | None = None
    """How many bytes behind the JSON are the data, little-endian and row by row."""


class OutputParameters(Foreign):
    binary_data: bool | None = None
    """Whether the data comes as bytes behind the JSON."""


class RequestParameters(Foreign):
    binary_data_output: bool = False
    """Whether outputs that do not say it themselves come as bytes."""


class InputTensor(Foreign):
    name: Literal["x"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] = Field(examples=[[1, 1]])
    """Rows × features."""
    datatype: Datatype
    """Every number of the data must be one of this type."""
    parameters: InputParameters = InputParameters()
    data: Rows | None = None
    """Row by row, or as rows in the declared shape."""


class OutputTensor(Foreign):
    name: Literal["y"]
    parameters: OutputParameters = OutputParameters()


class InferenceRequest(Foreign):
    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[OutputTensor] = Field(default=[], max_length=1)

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
    """Raises MalformedRequest and InvalidRequest."""
    request, tail = _read(body, header_length)
    y = trained_models.predict_rows(model, _matrix(request.inputs[0], tail, len(model.weights)), "/inputs/0")
    output: dict[str, Any] = {"name": "y", "shape": [len(y)], "datatype": datatype_of(model)}
    answer = {"model_name": model.job_id, "outputs": [output]} | ({"id": request.id} if request.id else {})
    if not request.wants_bytes:
        output["data"] = [number if math.isfinite(number) else None for number in y.tolist()]
        return InferenceAnswer(json.dumps(answer, allow_nan=False).encode(), None)
    content = y.astype(np.dtype(model.dtype).newbyteorder("<")).tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    header = json.dumps(answer).encode()
    return InferenceAnswer(header + content, len(header))


def _read(body: bytes, header_length: int | None) -> tuple[InferenceRequest, bytes]:
    """The request, and the bytes behind it."""
    end = len(body) if header_length is None else header_length
    if not 0 <= end <= len(body):
        raise MalformedRequest("The body is shorter than Inference-Header-Content-Length says")
    return parse_body(InferenceRequest, body[:end]), body[end:]


def _matrix(tensor: InputTensor, tail: bytes, features: int) -> Array:
    """The rows (N × D), as the tensor declares them."""
    if tensor.shape[1] != features:
        detail = f"A row has {tensor.shape[1]} numbers, the model {features} features"
        raise _invalid(detail, "/inputs/0/shape/1")
    numbers = _numbers(tensor, tail)
    if list(numbers.shape) not in (tensor.shape, [math.prod(tensor.shape)]):
        came, declared = (" × ".join(map(str, shape)) for shape in (numbers.shape, tensor.shape))
        detail = f"The data is {came} numbers, the shape says {declared}"
        raise _invalid(detail, "/inputs/0/shape" if tensor.data is None else "/inputs/0/data")
    return numbers.reshape(-1, features)


def _numbers(tensor: InputTensor, tail: bytes) -> Array:
    """Flat, or in the shape in which they came."""
    size, dtype = tensor.parameters.binary_data_size, _dtype(tensor.datatype)
    if size is None and tail:
        raise _invalid("There are bytes behind the JSON, and no binary_data_size says that they are data", "/inputs/0")
    if size is None:
        return _numbers_of_json(tensor, dtype)
    if size != len(tail) or tensor.data is not None or len(tail) % dtype.itemsize:
        detail = f"There are {len(tail)} bytes behind the JSON: it must be the size, and whole numbers of the datatype"
        raise _invalid(detail, "/inputs/0/parameters/binary_data_size")
    numbers = np.frombuffer(tail, dtype).astype(float)
    if not np.isfinite(numbers).all():
        raise _invalid("There is a number that is not finite", "/inputs/0")
    return numbers


def _numbers_of_json(tensor: InputTensor, dtype: np.dtype[Any]) -> Array:
    if tensor.data is None:
        raise _invalid("There is no data", "/inputs/0")
    numbers = np.array(tensor.data, float)
    strangers = np.argwhere(~_are_of(dtype, numbers))
    if len(strangers):
        location = pointer_to(("inputs", 0, "data", *strangers[0].tolist()))
        raise _invalid(f"The number is not of the datatype: {tensor.datatype} has {_range(dtype)}", location)
    return numbers


def _are_of(dtype: np.dtype[Any], numbers: Array) -> NDArray[np.bool_]:
    """Whether a type has each number; a type of floating point has all in its range, for it rounds."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(np.isfinite(numbers.astype(dtype)))
    limits = np.iinfo(dtype)
    return np.asarray((np.rint(numbers) == numbers) & (limits.min <= numbers) & (numbers < limits.max + 1.0))


def _range(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return f"numbers of at most {np.finfo(dtype).max:.6g}"
    return f"whole numbers from {np.iinfo(dtype).min} to {np.iinfo(dtype).max}"


def _dtype(datatype: Datatype) -> np.dtype[Any]:
    """FP32 → <f4."""
    kind = datatype.rstrip("0123456789")
    return np.dtype(f"<{_LETTERS[kind]}{int(datatype.removeprefix(kind)) // 8}")


def _invalid(detail: str, pointer: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer)])
