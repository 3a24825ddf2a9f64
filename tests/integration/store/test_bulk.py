"""Rows by the thousand: every bit arrives, in the session's transaction, and errors are those of any statement."""

from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from workbench import change, rows_of_every_table, submit

from service.errors import DatabaseError, DatabaseUnavailable
from service.store.database import Database
from service.store.records import bulk, records
from service.store.tables import Epoch
from slope.columns import Columns, EpochColumns
from slope.model import Parameters
from slope.records import EpochRecord, StepRecord, epoch_columns, step_columns

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def histories(draw: st.DrawFn) -> list[EpochRecord]:
    """The epochs of one job, whatever its shape; each has a step."""
    features, has_bias, learns = draw(st.integers(1, 5)), draw(st.booleans()), draw(st.booleans())
    vector = st.lists(finite, min_size=features, max_size=features)
    parameters = st.builds(Parameters, vector, finite if has_bias else st.none())
    gradients = st.builds(Parameters, vector if learns else st.none(), finite if has_bias else st.none())
    validation = finite if draw(st.booleans()) else st.none()
    count = draw(st.integers(1, 4))

    def record(epoch: int) -> EpochRecord:
        step = StepRecord(epoch, 0, draw(finite), draw(gradients), draw(parameters))
        return EpochRecord(
            epoch=epoch,
            loss=draw(finite),
            last_loss=draw(finite),
            validation_loss=draw(validation),
            gradient_mean=draw(gradients),
            gradient_last=draw(gradients),
            gradient_norm=draw(finite),
            parameters=draw(parameters),
            learning_rate=draw(finite),
            seconds=draw(finite),
            steps=[step],
        )

    return [record(epoch) for epoch in range(count)]


def written(row: Epoch) -> tuple[object, ...]:
    return (
        row.epoch,
        row.loss,
        row.last_loss,
        row.validation_loss,
        (row.gradient_mean_weights, row.gradient_mean_bias),
        (row.gradient_last_weights, row.gradient_last_bias),
        row.gradient_norm,
        (row.weights, row.bias),
        row.learning_rate,
        row.seconds,
    )


def given_as(record: EpochRecord) -> tuple[object, ...]:
    return (
        record.epoch,
        record.loss,
        record.last_loss,
        record.validation_loss,
        tuple(record.gradient_mean),
        tuple(record.gradient_last),
        record.gradient_norm,
        tuple(record.parameters),
        record.learning_rate,
        record.seconds,
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_every_number_is_read_back_to_the_bit(database: Database, history: list[EpochRecord]) -> None:
    job_id = submit(database)
    ids = [job_id] * len(history)
    steps = [step for record in history for step in record.steps]

    change(database, lambda session: bulk.add_epochs(session, ids, epoch_columns(history)))
    change(database, lambda session: bulk.add_steps(session, ids, step_columns(steps)))

    with database.reading() as session:
        rows = records.epochs_after(session, job_id, -1, 100)
        read = [step for record in history for step in records.steps_in(session, job_id, record.epoch, range(1))]
        in_columns = records.epoch_columns_in(session, job_id, range(100), 100)
        steps_in_columns = [records.step_columns_in(session, job_id, record.epoch, range(1)) for record in history]
    assert [written(row) for row in rows] == [given_as(record) for record in history]
    assert lists(in_columns) == lists(epoch_columns(history))
    assert [lists(each) for each in steps_in_columns if len(each)] == [lists(step_columns([step])) for step in steps]
    found = [(row.epoch, row.step, row.loss, row.gradient_weights, row.gradient_bias, row.weights) for row in read]
    assert found == [(s.epoch, s.step, s.loss, *s.gradient, s.parameters.weights) for s in steps]


def lists(columns: Columns) -> dict[str, list[object] | None]:
    return {name: None if column is None else column.tolist() for name, column in columns.arrays().items()}


def columns(epochs: list[int]) -> EpochColumns:
    ones = np.ones(len(epochs))
    nothing = dict.fromkeys(("validation_loss", "gradient_mean_bias", "gradient_last_bias", "bias"))
    numbers = dict.fromkeys(("loss", "last_loss", "gradient_norm", "learning_rate", "seconds"), ones)
    vectors = dict.fromkeys(("gradient_mean_weights", "gradient_last_weights", "weights"), ones[:, None])
    return EpochColumns(epoch=np.array(epochs), **nothing, **numbers, **vectors)


def test_rows_are_of_the_job_that_stands_beside_them(database: Database) -> None:
    one, other = submit(database), submit(database)
    change(database, lambda session: bulk.add_epochs(session, [one, other, one], columns([0, 0, 1])))
    with database.reading() as session:
        assert [row.epoch for row in records.epochs_after(session, one, -1, 10)] == [0, 1]
        assert [row.epoch for row in records.epochs_after(session, other, -1, 10)] == [0]


def test_what_is_not_committed_is_not_there(database: Database) -> None:
    job_id = submit(database)
    with database.writing() as session:
        bulk.add_epochs(session, [job_id], columns([0]))
    assert rows_of_every_table(database)["epochs"] == 0


@pytest.mark.parametrize("job_ids", [[uuid4()], None])
def test_a_row_that_must_not_be_raises_what_an_insert_would(database: Database, job_ids: list[UUID] | None) -> None:
    twice = [submit(database)] * 2
    chosen = job_ids or twice
    with pytest.raises(DatabaseError) as refused:
        change(database, lambda session: bulk.add_epochs(session, chosen, columns([0] * len(chosen))))
    assert isinstance(refused.value.__cause__, IntegrityError)
    assert rows_of_every_table(database)["epochs"] == 0


def test_a_connection_that_breaks_during_a_copy_is_a_database_that_is_away(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    job_id = submit(database)

    def write(session: Session) -> None:
        mine = session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(postgresql_url.replace("+psycopg", "")) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [mine])
        bulk.add_epochs(session, [job_id], columns([0]))

    with pytest.raises(DatabaseUnavailable) as caught:
        change(database, write)
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert caught.value.__cause__.connection_invalidated
    change(database, lambda session: bulk.add_epochs(session, [job_id], columns([0])))
    assert rows_of_every_table(database)["epochs"] == 1
    database.dispose()


def test_the_binary_format_has_the_length_of_every_field() -> None:
    job_id = uuid4()
    binary = bulk.as_binary([job_id], {"epoch": np.array([7]), "bias": None, "weights": np.array([[1.0, 2.0]])})
    assert binary == (
        b"\0\4"
        + (b"\0\0\0\x10" + job_id.bytes)
        + (b"\0\0\0\x08" + (7).to_bytes(8, "big"))
        + b"\xff\xff\xff\xff"
        + (b"\0\0\0\x2c" + bytes.fromhex("00000001 00000000 000002bd 00000002 00000001"))
        + (b"\0\0\0\x08" + bytes.fromhex("3ff0000000000000") + b"\0\0\0\x08" + bytes.fromhex("4000000000000000"))
    )
