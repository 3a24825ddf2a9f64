"""What the last jobs took."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.store.tables import Job
from slope.engines.experience import Ended
from slope.engines.plan import kept_plan

_LATEST = 300


def select_durations(session: Session) -> list[Ended]:
    """Of those that have succeeded, the newest first; of jobs that trained together, one."""
    latest = select(Job.id).where(Job.status == "succeeded").order_by(Job.id.desc()).limit(_LATEST)
    is_alone = or_(Job.place.is_(None), Job.place == 0)
    wanted = select(Job.plan, Job.seconds).where(Job.id.in_(latest), is_alone).order_by(Job.id.desc())
    return [Ended.of(kept_plan(document), seconds) for document, seconds in session.execute(wanted) if document]
