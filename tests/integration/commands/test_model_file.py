"""Where a model is kept: its file's name is looked at before anything is asked of a service."""

import pytest
from typer.testing import CliRunner

from service.commands.cli import app


@pytest.mark.parametrize(
    "words", [("export", "champion"), ("train", __file__, "--target", "y")], ids=["export", "train"]
)
def test_a_name_that_is_no_model_s_is_refused_with_those_that_are(words: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(app, [*words, "-o", "epochs.csv", "--url", "http://127.0.0.1:1"])
    assert ended.exit_code == 2
    assert "epochs.csv is none of these" in " ".join(ended.output.replace("│", " ").split())
