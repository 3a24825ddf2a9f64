"""A model as an ONNX graph: `x` (rows × D) to `y` (rows), both in the model's dtype; a scaler becomes nodes of it."""

from typing import TYPE_CHECKING

import numpy as np

from slope import __version__
from slope.export.metadata import metadata_of
from slope.trained import TrainedModel

if TYPE_CHECKING:
    from onnx import NodeProto

_OPSET, _IR = 17, 8
"""Of 2022: new enough for every operator here, old enough for every runtime in use."""


def to_onnx(model: TrainedModel) -> bytes:
    """Standardizing is done in doubles, as training does it, for what is left of a large x may be small."""
    from onnx import TensorProto, helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(model.tensors["weights"].dtype)
    tensors = model.tensors | {"axis": np.array([1])}
    graph = helper.make_graph(
        _nodes(model, kind, TensorProto.DOUBLE),
        "linear_regression",
        [helper.make_tensor_value_info("x", kind, ["rows", len(model.weights)])],
        [helper.make_tensor_value_info("y", kind, ["rows"])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    file = helper.make_model(
        graph, opset_imports=[opset], ir_version=_IR, producer_name="slope", producer_version=__version__
    )
    helper.set_model_props(file, metadata_of(model))
    content: bytes = file.SerializeToString()
    return content


def _nodes(model: TrainedModel, kind: int, double: int) -> "list[NodeProto]":
    from onnx.helper import make_node

    scaling = [
        make_node("Cast", ["x"], ["x_double"], to=double),
        make_node("Sub", ["x_double", "means"], ["centred"]),
        make_node("Div", ["centred", "deviations"], ["z_double"]),
        make_node("Cast", ["z_double"], ["z"], to=kind),
    ]
    # Not MatMul: onnxruntime puts a lone deviation into its scale, which has the bits of a float32 only.
    multiply = make_node("Mul", ["z" if model.scaler else "x", "weights"], ["products"])
    is_centred = model.scaler is not None and model.scaler.target_mean != 0
    last = "y_centred" if is_centred else "y"
    add = make_node("ReduceSum", ["products", "axis"], [last if model.bias is None else "sums"], keepdims=0)
    shift = [] if model.bias is None else [make_node("Add", ["sums", "bias"], [last])]
    centring = [
        make_node("Cast", ["y_centred"], ["y_centred_double"], to=double),
        make_node("Add", ["y_centred_double", "target_mean"], ["y_double"]),
        make_node("Cast", ["y_double"], ["y"], to=kind),
    ]
    return [*(scaling if model.scaler else []), multiply, add, *shift, *(centring if is_centred else [])]
