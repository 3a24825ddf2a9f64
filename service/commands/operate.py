"""The operator's commands."""

import sys

from rich.console import Console
from rich.text import Text

from service import startup
from service.queue import CeleryQueue, celery_app
from service.store.database import Database
from service.store.leases import lost_leases
from service.upkeep import doctor, lost_jobs
from service.upkeep.lost_jobs import Contact

console = Console(highlight=False, markup=False, soft_wrap=True)


@startup.ending_in_a_sentence()
def print_diagnoses() -> None:
    """Print what is well and what is not. Exits with 1 when something needs doing."""
    settings = startup.begin()
    queue = CeleryQueue(celery_app(settings.broker))
    diagnoses = list(doctor.diagnose(settings, Database(settings.database, fails_fast=True), queue))
    for diagnosis in diagnoses:
        console.print(_mark(is_well=diagnosis.advice is None), f"{diagnosis.subject}: {diagnosis.finding}")
        if diagnosis.advice:
            console.print(f"    {diagnosis.advice}.")
    if any(diagnosis.advice for diagnosis in diagnoses):
        sys.exit(1)


@startup.ending_in_a_sentence()
def reap_jobs() -> None:
    """Take jobs from workers that died, and ring for those that nobody has heard of."""
    settings = startup.begin()
    database, queue = Database(settings.database, fails_fast=True), CeleryQueue(celery_app(settings.broker))
    with database.reading() as session:
        has_expired = bool(lost_leases.expired_jobs(session))
    if has_expired:
        console.print(f"Looking for {settings.lease_seconds:g} s whether workers that were silent are only cut off.")
    contact = Contact(settings.lease_seconds, is_trusted=False)
    released = lost_jobs.watch_and_release(database, contact, max_crashes=settings.max_crashes)
    rung = lost_jobs.ring_again(database, queue) if queue.is_reachable() else []
    console.print(f"{len(released)} taken from lost workers, {len(rung)} rung for.")


def _mark(*, is_well: bool) -> Text:
    """A sign that the terminal has."""
    has_signs = console.encoding.startswith("utf")
    if is_well:
        return Text("✓" if has_signs else "ok", "green")
    return Text("✗" if has_signs else "!!", "red")
