"""A run of a million epochs: its spikes are drawn at every zoom that covers them, and its page stays small."""

from uuid import UUID

import pytest
from e2e.processes import until
from e2e.services import Serve
from playwright.sync_api import Page, expect
from sqlalchemy import delete, select, update

from browser.reading import peaks, used_heap
from browser.test_live import MOST_HEAP
from service.store.database import Database
from service.store.tables import Epoch, EpochExtremes

EPOCHS = 1_000_000
RUN = {
    "name": "a million epochs",
    "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.1, 3.9, 6.2]},
    "hyperparameters": {
        "epochs": EPOCHS,
        "batch_size": "full",
        "learning_rate": 1e-6,
        "record": {"steps": "none", "every": 10},
    },
}
HALF_WIDTHS = (200_000, 1_000)
"""Of what is looked at, in epochs to each side."""


@pytest.fixture(scope="module")
def spiked(service: Serve) -> tuple[str, int, int]:
    """The job, and the epochs in which its loss and one number of its gradient are like nowhere else."""
    with service.client as client:
        job_id = client.wait(client.submit(RUN).id).id
    database = Database(f"sqlite:///{service.folder}/slope.db")
    in_loss = _plant(database, job_id, 400_000, {"loss": 100.0})
    in_gradient = _plant(database, job_id, 700_000, {"gradient_mean_weights": [100.0]})
    database.dispose()
    return str(job_id), in_loss, in_gradient


def _plant(database: Database, job_id: UUID, after: int, values: dict[str, object]) -> int:
    """Change numbers of an epoch, as if they had been recorded so."""
    with database.writing() as session:
        epoch = session.scalars(select(Epoch.epoch).where(Epoch.job_id == job_id, Epoch.epoch >= after).limit(1)).one()
        session.execute(update(Epoch).where(Epoch.job_id == job_id, Epoch.epoch == epoch).values(values))
        covers = (EpochExtremes.first_epoch <= epoch) & (EpochExtremes.last_epoch >= epoch)
        session.execute(delete(EpochExtremes).where(EpochExtremes.job_id == job_id, covers))
        session.commit()
    return epoch


def test_spikes_are_drawn_at_every_zoom_that_covers_them(page: Page, spiked: tuple[str, int, int]) -> None:
    job_id, in_loss, in_gradient = spiked
    page.goto(f"/jobs/{job_id}?scale=linear&gradient=0")
    expect(page.get_by_text("of 1,000,000 epochs are drawn, every extreme of loss and gradient kept")).to_be_visible()
    for epoch, chart, colour in (
        (in_loss, "Loss over epochs", "forward"),
        (in_gradient, "Gradient over epochs", "backward"),
    ):
        zooms = [(0, EPOCHS), *((epoch - half // 2, epoch + half) for half in HALF_WIDTHS)]
        for first, last in zooms:
            _look_at(page, first, last)
            place = (epoch - first) / (last - first)
            until(lambda: _is_one_peak(page, chart, colour, place))  # noqa: B023
    assert used_heap(page) <= MOST_HEAP


def _look_at(page: Page, first: int, last: int) -> None:
    """As a link does, in the page as it stands."""
    page.evaluate(
        """([first, last]) => {
            history.replaceState(null, "", `?scale=linear&gradient=0&from=${first}&to=${last}`);
            dispatchEvent(new PopStateEvent("popstate"));
        }""",
        [first, last],
    )


def _is_one_peak(page: Page, chart: str, colour: str, place: float) -> bool:
    found = peaks(page, chart, colour)
    return bool(found) and all(abs(each - place) < 0.02 for each in found)
