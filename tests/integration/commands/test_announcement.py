"""What `slope serve` says when it is up."""

import pytest

from service.commands import serve
from service.settings import Settings


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "not built"])
def test_a_service_whose_dashboard_was_not_built_says_so_and_how_to_build_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings, is_built: bool
) -> None:
    monkeypatch.setattr(serve, "_is_up", lambda url: True)
    monkeypatch.setattr(serve, "is_built", lambda: is_built)
    serve._announcer("http://127.0.0.1:8000", settings, "off")()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "python hatch_build.py" in line] == [serve.NOT_BUILT] * (not is_built)
    assert lines[-1] == f"Its data is in {settings.data_dir}. Ctrl-C ends it."
