"""Messages to webhooks, written in the transaction that makes them true: if that is lost, so are they, and only then.

Who changes the status of jobs learns from the same statement whether anybody listens (`IS_HEARD`), and comes here only
if so: without webhooks nothing more is asked, and nothing written.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, exists, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.store.database import now
from service.store.tables import Delivery, Job, Webhook
from service.store.tables.base import labels_of
from slope.answers.jobs import ErrorView, LossView
from slope.answers.webhooks import JobMessage, WebhookJobMessage
from slope.spec.webhooks import SweepEvent
from slope.statuses import FINAL

IS_HEARD = select(exists().where(Webhook.disabled_at.is_(None))).scalar_subquery()
"""Whether anybody is told of anything."""
SWEEP_FINISHED: SweepEvent = "sweep.finished"
_TOLD = (*FINAL, "paused")
"""Statuses that webhooks can be told of."""
_MOST_IDS = 2000
_INSERT = insert(Delivery.metadata.tables["deliveries"])
"""Of the table, not the class: the ORM would take twice as long."""


def tell_webhooks(session: Session, statuses: Mapping[UUID, str]) -> None:
    """Note for those that listen that jobs have these statuses now, and that sweeps may have ended with that."""
    told = [job_id for job_id, status in statuses.items() if status in _TOLD]
    wanted = {SWEEP_FINISHED, *(f"job.{statuses[job_id]}" for job_id in told)}
    for start in range(0, len(told), _MOST_IDS):
        are_told = Job.id.in_(told[start : start + _MOST_IDS])
        owners = select(Job.owner).where(are_told)
        listeners = [each for each in _listeners(session, Webhook.owner.in_(owners)) if wanted & set(each.told)]
        jobs = session.execute(select(*_JOB).where(are_told)).all() if listeners else ()
        add_deliveries(session, [row for webhook in listeners for row in _messages(session, webhook, jobs)])


def tell_webhooks_of_sweep(session: Session, sweep_id: UUID, owner: str) -> None:
    """Note that a sweep may have ended, because a job of it that had not is gone."""
    heard = [each for each in _listeners(session, Webhook.owner == owner) if SWEEP_FINISHED in each.told]
    add_deliveries(session, [delivery_row(each, SWEEP_FINISHED, now(session), sweep_id=sweep_id) for each in heard])


def add_deliveries(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Put messages, by column, among those that are to be sent."""
    if rows:
        session.connection().execute(_INSERT, rows)


def delivery_row(webhook: Webhook, message_type: str, moment: datetime, **values: Any) -> dict[str, Any]:
    """A message that is to be sent now, by column."""
    own = {"id": uuid7(), "owner": webhook.owner, "webhook_id": webhook.id, "type": message_type}
    now = {"created_at": moment, "due_at": moment, "status": "waiting", "attempts": 0}
    return own | now | {"job_id": None, "sweep_id": None, "body": None} | values


def _listeners(session: Session, whose: ColumnElement[bool]) -> Sequence[Webhook]:
    """Webhooks of some owners: others may have thousands."""
    return session.scalars(select(Webhook).where(Webhook.disabled_at.is_(None), whose)).all()


def _messages(session: Session, webhook: Webhook, jobs: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Of a sweep one that is still empty: whether its last job has ended is looked up when this has been committed."""
    moment, jobs = now(session), [job for job in jobs if job.owner == webhook.owner]
    for job in jobs:
        if (message_type := f"job.{job.status}") in webhook.told:
            of_job = {"job_id": job.id, "sweep_id": job.sweep_id, "body": _body_of(job, moment)}
            yield delivery_row(webhook, message_type, moment, **of_job)
    if SWEEP_FINISHED in webhook.told:
        for sweep_id in {job.sweep_id for job in jobs if job.sweep_id and job.status in FINAL}:
            yield delivery_row(webhook, SWEEP_FINISHED, moment, sweep_id=sweep_id)


_JOB = (
    Job.id,
    Job.owner,
    Job.name,
    Job.status,
    Job.sweep_id,
    Job.metadata_.label("metadata"),
    Job.epochs_done,
    Job.epochs,
    Job.loss_first,
    Job.loss_last,
    Job.loss_best,
    Job.loss_validation,
    Job.loss_training,
    Job.loss_cross_validation,
    Job.error_code,
    Job.error_detail,
    Job.created_at,
    Job.started_at,
    Job.finished_at,
)


def _body_of(job: Row[Any], moment: datetime) -> str:
    columns = job._mapping
    loss = LossView.model_validate({name: columns[f"loss_{name}"] for name in LossView.model_fields})
    error = ErrorView(code=job.error_code, detail=job.error_detail) if job.error_code else None
    known = {name: columns[name] for name in JobMessage.model_fields if name in columns}
    data = JobMessage(**known | {"metadata": labels_of(job.metadata)}, loss=loss, error=error)
    message = WebhookJobMessage(type=f"job.{job.status}", timestamp=job.finished_at or moment, data=data)
    return message.model_dump_json()
