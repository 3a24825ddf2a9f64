"""Tensors of the Open Inference Protocol as rows: one of all features, or one for each, as data frames are sent.

MLServer's PandasCodec sends a frame as a tensor for each of its columns.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from service.api.request_bodies.json_body import Foreign
from service.api.schemas.kserve import Datatype
from service.errors import InvalidRequest, TableTooLarge
from slope.arrays import Array
from slope.spec import Fault
from slope.spec.data import Rows
from slope.spec.faults import pointer as pointer_to
from slope.spec.names import counted, listed
from slope.spec.part import MAX_COUNT

MAX_TENSORS = 20_000
"""Of one request: a table has half as many columns at most."""
_MAX_NUMBERS = 4_000_000
"""Behind the JSON: one byte may be a number, which takes about fifty until its prediction is told."""
_LETTERS = {"FP": "f", "INT": "i", "UINT": "u"}
_MOST_NAMED = 5
"""This many missing features are named."""


class InputParameters(Foreign):
    binary_data_size: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = None
    """How many bytes behind the JSON are the data, little-endian and row by row."""


class InputTensor(Foreign):
    name: str = Field(examples=["x"])
    """`x` for all features (rows × features), or the name of one of them. Tensors of other names are left out."""
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)] = Field(examples=[[1, 1]])
    """Rows × features; of one feature rows, or rows × 1."""
    datatype: Datatype
    """Every number of the data must be one of this type."""
    parameters: InputParameters = InputParameters()
    data: Rows | None = None
    """Row by row, or as rows in the declared shape."""


class OtherTensor(Foreign):
    """A column that is no feature is left out, whatever is in it; one of words or of truth values can be none."""

    name: str
    """Of the column."""
    datatype: str = Field(json_schema_extra={"enum": ["BOOL", "BYTES"]})
    """What is in it. Of a tensor that the model does not use it may be anything."""
    parameters: InputParameters = InputParameters()


def _kind(value: Any) -> str:
    datatype = value.get("datatype") if isinstance(value, dict) else getattr(value, "datatype", None)
    return "other" if datatype in ("BOOL", "BYTES") else "numbers"


def _unless_left_out(value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A tensor of another name than the context has is no feature."""
    name = value.get("name") if isinstance(value, dict) else None
    is_left_out = isinstance(name, str) and info.context is not None and name not in info.context
    return OtherTensor.model_validate(value) if is_left_out else read(value)


Tensor = Annotated[
    Annotated[InputTensor, Tag("numbers")] | Annotated[OtherTensor, Tag("other")],
    Discriminator(_kind),
    WrapValidator(_unless_left_out),
]


@dataclass(frozen=True)
class _Input:
    """A tensor of numbers, which one of the request it is, and its bytes behind the JSON, if it has some."""

    tensor: InputTensor
    index: int
    content: bytes | None

    def at(self, *location: str | int) -> str:
        """The JSON Pointer of something in it."""
        return pointer_to(("inputs", self.index, *location))


def rows_of_tensors(tensors: Sequence[InputTensor | OtherTensor], tail: bytes, features: Sequence[str]) -> Array:
    """The rows (N × D) of a request, and of the bytes behind its JSON. Raises InvalidRequest and TableTooLarge."""
    is_whole = len(tensors) == 1 and tensors[0].name == "x"
    _refuse_words(tensors, {"x"} if is_whole else {*features})
    inputs = list(_inputs(tensors, tail))
    _refuse_many_numbers(inputs)
    if is_whole:
        return _matrix(inputs[0], len(features))
    chosen = _find_features(inputs, features, "/inputs" if len(tensors) > 1 else "/inputs/0/name")
    columns = [_column(each) for each in chosen]
    for column, each in zip(columns, chosen, strict=True):
        if len(column) != len(columns[0]):
            detail = f"{each.tensor.name} has {counted(len(column), 'row')}, {features[0]} has {len(columns[0])}"
            raise _invalid(detail, each.at("shape"))
    return np.column_stack(columns)


def _refuse_words(tensors: Sequence[InputTensor | OtherTensor], names: set[str]) -> None:
    for index, tensor in enumerate(tensors):
        if isinstance(tensor, OtherTensor) and tensor.name in names:
            detail = f"Features are numbers: the datatype is one of {', '.join(get_args(Datatype))}"
            raise _invalid(detail, pointer_to(("inputs", index, "datatype")))


def _inputs(tensors: Sequence[InputTensor | OtherTensor], tail: bytes) -> Iterator[_Input]:
    """Those of numbers, each with its own of the bytes, which are in the order of the tensors."""
    sizes = [tensor.parameters.binary_data_size for tensor in tensors]
    total = sum(size or 0 for size in sizes)
    if total != len(tail):
        sized = [index for index, size in enumerate(sizes) if size is not None]
        if not sized:
            detail = "There are bytes behind the JSON, and no binary_data_size says that they are data"
            raise _invalid(detail, "/inputs/0")
        detail = f"Behind the JSON comes {counted(len(tail), 'byte')}, and the tensors have {total}"
        raise _invalid(detail, pointer_to(("inputs", sized[-1], "parameters", "binary_data_size")))
    start = 0
    for index, (tensor, size) in enumerate(zip(tensors, sizes, strict=True)):
        if isinstance(tensor, InputTensor):
            yield _Input(tensor, index, None if size is None else tail[start : start + size])
        start += size or 0


def _refuse_many_numbers(inputs: Sequence[_Input]) -> None:
    count = sum(len(each.content) // _dtype(each.tensor.datatype).itemsize for each in inputs if each.content)
    if count > _MAX_NUMBERS:
        detail = f"Behind the JSON are {count:,} numbers; {_MAX_NUMBERS:,} are allowed"
        raise TableTooLarge(f"{detail}: send fewer rows at a time, or upload a dataset and predict that")


def _find_features(inputs: Sequence[_Input], features: Sequence[str], pointer: str) -> list[_Input]:
    """The tensor of each feature. The pointer is for one that is missing, or there twice."""
    counts = Counter(each.tensor.name for each in inputs)
    if wrong := [feature for feature in features if counts[feature] != 1]:
        detail = f"There must be one tensor {listed(wrong, _MOST_NAMED)}, or a single tensor x of all features"
        raise _invalid(detail, pointer)
    by_name = {each.tensor.name: each for each in inputs}
    return [by_name[feature] for feature in features]


def _matrix(given: _Input, features: int) -> Array:
    shape = given.tensor.shape
    if len(shape) != 2:
        raise _invalid("The shape of x is rows × features: two numbers", given.at("shape"))
    if shape[1] != features:
        raise _invalid(
            f"A row has {counted(shape[1], 'number')}, the model {counted(features, 'feature')}", given.at("shape", 1)
        )
    return _shaped(given).reshape(-1, features)


def _column(given: _Input) -> Array:
    if given.tensor.shape[1:] not in ([], [1]):
        detail = f"The shape of one feature is rows, or rows × 1, not {_product(given.tensor.shape)}"
        raise _invalid(detail, given.at("shape"))
    return _shaped(given).reshape(-1)


def _shaped(given: _Input) -> Array:
    """Flat, or in the declared shape."""
    numbers, shape = _numbers(given), given.tensor.shape
    if list(numbers.shape) not in (shape, [math.prod(shape)]):
        detail = f"The data is {_product(numbers.shape)} numbers, the shape says {_product(shape)}"
        raise _invalid(detail, given.at("shape" if given.content is not None else "data"))
    return numbers


def _product(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _numbers(given: _Input) -> Array:
    """Flat, or in the shape in which they came."""
    dtype = _dtype(given.tensor.datatype)
    if given.content is None:
        return _numbers_of_json(given, dtype)
    if given.tensor.data is not None or len(given.content) % dtype.itemsize:
        detail = "The data is either in the JSON or behind it, and there it is whole numbers of the datatype"
        raise _invalid(detail, given.at("parameters", "binary_data_size"))
    numbers = np.frombuffer(given.content, dtype).astype(float)
    if not np.isfinite(numbers).all():
        raise _invalid("There is a number that is not finite", given.at())
    return numbers


def _numbers_of_json(given: _Input, dtype: np.dtype[Any]) -> Array:
    if given.tensor.data is None:
        raise _invalid("There is no data", given.at())
    numbers = np.array(given.tensor.data, float)
    outside = np.argwhere(~_are_of(dtype, numbers))
    if len(outside):
        detail = f"The number is not of the datatype: {given.tensor.datatype} has {_range(dtype)}"
        raise _invalid(detail, given.at("data", *outside[0].tolist()))
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


def _dtype(datatype: str) -> np.dtype[Any]:
    """FP32 → <f4."""
    kind = datatype.rstrip("0123456789")
    return np.dtype(f"<{_LETTERS[kind]}{int(datatype.removeprefix(kind)) // 8}")


def _invalid(detail: str, pointer: str) -> InvalidRequest:
    return InvalidRequest(detail, [Fault(detail, pointer)])
