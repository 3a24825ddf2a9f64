"""Answers about workers and their devices."""

from service.store.tables import Worker
from slope.answers.workers import DeviceView, WorkerView


def view_worker(row: Worker, *, alive: bool) -> WorkerView:
    return WorkerView(
        id=row.id,
        hostname=row.hostname,
        process_id=row.process_id,
        version=row.version,
        alive=alive,
        devices=[DeviceView(**device) for device in row.known_devices],
        slots=row.slots,
        memory=row.memory,
        hears_broker=row.hears_broker,
        started_at=row.started_at,
        seen_at=row.seen_at,
        stopped_at=row.stopped_at,
    )
