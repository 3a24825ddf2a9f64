"""Every call that shows a job, said once for both clients."""

from pathlib import Path
from typing import Any, Literal

from slope.client.exchange.exchange import Download, Id, Request

Chart = Literal["loss", "gradient", "weights", "fit", "surface"]
_FORMATS = {".svg": "svg", ".png": "png"}


def save_chart(job_id: Id, chart: Chart, file: Path | str, **options: Any) -> Download:
    """A chart of a job as a file: .svg or .png. Options are those of `GET /v1/jobs/{id}/charts/{chart}`."""
    file = Path(file)
    if file.suffix not in _FORMATS:
        raise ValueError(f"The name of the file says which format it has: {', '.join(_FORMATS)}")
    parameters = options | {"format": _FORMATS[file.suffix]}
    return Download(Request("GET", f"/v1/jobs/{job_id}/charts/{chart}", {"params": parameters}), file)


def save_report(job_id: Id, file: Path | str) -> Download:
    """A job as one HTML file that needs no network."""
    return Download(Request("GET", f"/v1/jobs/{job_id}/report"), Path(file))
