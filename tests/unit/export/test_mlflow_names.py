"""Names of metadata as tags of MLflow."""

import pytest
from mlflow.utils.validation import _validate_tag_name

from slope.client.mlflow_runs import _tag_name


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("course", "course"),
        ("team/a.b", "team/a.b"),
        ("a?", "a_"),
        ("/etc", "_etc"),
        ("..", "_."),
        ("a/../b", "a_.._b"),
        ("a//b", "a__b"),
        (".", "_"),
    ],
)
def test_metadata_has_names_that_mlflow_takes(name: str, tag: str) -> None:
    assert _tag_name(name) == tag
    _validate_tag_name(tag)
