"""What many ask for at the same time is done by one call, and everybody gets his own result."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from threading import Event
from uuid import UUID, uuid4

import pytest

from service.api.polling.watch import Batches, JobWatch
from service.store.database import Database
from service.store.jobs.jobs import Standing


def test_what_comes_while_a_call_works_waits_for_the_next() -> None:
    calls: list[list[int]] = []
    free = Event()

    def double(items: Sequence[int]) -> list[int | Exception]:
        calls.append(list(items))
        assert free.wait(60)
        return [2 * item for item in items]

    async def ask() -> list[int]:
        batches: Batches[int, int] = Batches(double, most=3)
        first = asyncio.create_task(batches.of(0))
        while not calls:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batches.of(item)) for item in range(1, 6)]
        await asyncio.sleep(0)
        free.set()
        return list(await asyncio.gather(first, *others))

    assert asyncio.run(ask()) == [0, 2, 4, 6, 8, 10]
    assert calls == [[0], [1, 2, 3], [4, 5]]


def test_what_is_done_for_many_bears_the_name_of_nobody_s_request() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")

    def tell(items: Sequence[int]) -> list[str | Exception]:
        return [name.get()] * len(items)

    async def ask() -> str:
        batches: Batches[int, str] = Batches(tell, most=1)
        name.set("the first")
        return await batches.of(1)

    assert asyncio.run(ask()) == "nobody"


def test_an_error_of_one_is_raised_for_that_one_and_of_the_call_for_all() -> None:
    def half(items: Sequence[int]) -> list[int | Exception]:
        if 0 in items:
            raise KeyError(0)
        return [ValueError(item) if item % 2 else item // 2 for item in items]

    async def ask(*items: int) -> list[int | BaseException]:
        batches: Batches[int, int] = Batches(half, most=9)
        return list(await asyncio.gather(*map(batches.of, items), return_exceptions=True))

    found = asyncio.run(ask(2, 3, 4))
    assert [found[0], type(found[1]), found[2]] == [1, ValueError, 2]
    assert [type(each) for each in asyncio.run(ask(0, 2))] == [KeyError, KeyError]


def test_who_leaves_takes_nothing_from_the_others() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        return list(items)

    async def ask() -> int:
        batches: Batches[int, int] = Batches(work, most=9)
        leaving, staying = asyncio.create_task(batches.of(1)), asyncio.create_task(batches.of(2))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(ask()) == 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_begins_to_wait_during_a_look_is_not_woken_by_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[list[UUID]] = []
    free = Event()

    def look(job_ids: list[UUID]) -> dict[UUID, Standing]:
        looks.append(job_ids)
        assert free.wait(60)
        return dict.fromkeys(job_ids, Standing(version=1, is_final=len(looks) > 2))

    async def ask() -> int:
        watch = JobWatch(database)
        monkeypatch.setattr(watch, "_query", look)
        looking = asyncio.create_task(watch.run())
        waiters = [asyncio.create_task(watch.ended(first, 60))]
        while not looks:
            await asyncio.sleep(0.001)
        waiters.append(asyncio.create_task(watch.ended(second, 60)))
        await asyncio.sleep(0)
        free.set()
        await waiters[1]
        found = len(looks)
        await waiters[0]
        watch.close()
        await looking
        return found

    first, second = uuid4(), uuid4()
    assert asyncio.run(ask()) >= 3
    assert looks[:2] == [[first], [first, second]]
