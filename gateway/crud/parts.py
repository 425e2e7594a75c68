"""Images for a job that is open: read as a new job's are, and added in one step, as often as the job likes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.crud.bodies import Sent
from gateway.crud.clients import Client
from gateway.crud.fields import NoFields
from gateway.crud.intake import Intake, require_images
from gateway.crud.quotas import Quota
from gateway.crud.uploads import Upload
from tenfold.contract.errors import Conflict, NotFound
from tenfold.contract.states import JobState
from tenfold.store.bounds import job_closed
from tenfold.store.gateway_store import ArrivedPart
from tenfold.store.views import JobView


class Added(msgspec.Struct, frozen=True):
    """Where a part's images stand in the job: ``count`` of them from the index ``first`` on, in the order sent."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """Images for an open job that have all arrived, before they are added.

    Attributes:
        client: who sent them.
        fingerprint: with an idempotency key, what was sent, in short.
        twin: the upload of an equal request that was added before; then this one is not. "" where there is none.
    """

    job: JobView
    upload: Upload
    client: Client
    fingerprint: str = ""
    twin: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """Takes parts of open jobs in."""

    intake: Intake

    async def receive(self, sent: Sent, job: JobView) -> Part:
        """Read the whole request; nothing is added yet.

        Raises:
            Conflict: the job is not open (``job_closed``).
            RequestError: the request is refused, with nothing left behind.
        """
        self.intake.tracing.belongs_to(job.submission)
        with self.intake.tracing.part("receive images"):
            return await self._receive(sent, job)

    async def _receive(self, sent: Sent, job: JobView) -> Part:
        media = self.intake.bodies.media_type(sent)
        if sent.idempotency_key is None:  # otherwise it may be a part that was added before
            require_open(job)
            await self.intake.quotas.check(sent.client)
        fields = NoFields()
        for name, text in sent.query:
            fields.add(name, text)
        upload = self.intake.upload(sent, extends=job.submission.job_id, had=job.total if job.open else 0)
        try:
            held = await self.intake.reserve(upload, sent)
            if held is None:
                require_open(job)
            await self.intake.bodies.read(sent, media, upload, fields)
            require_images(upload)
            own, twin = await self.intake.compare(upload, fields.wishes(), held)
        except BaseException:
            await self.intake.abandon(upload)
            raise
        return Part(job, upload, sent.client, own, twin)

    async def add(self, part: Part) -> tuple[Added, Quota | None]:
        """Add the part to its job; where its images stand there, and what is left to its client, if it has a limit.

        Raises:
            Conflict: the job was closed meanwhile (``job_closed``).
            QuotaExceeded, ClientQueueFull, Unavailable, TooLarge: a bound is reached, with nothing left behind.
        """
        count = len(part.upload.metas)
        if part.twin:
            return Added(await self._added_before(part), count), None
        try:
            await self._check_deadline(part)
            with self.intake.tracing.part("add to job"):
                await part.upload.finish()
                first, quota = await self.intake.accept(part.client, part.upload, lambda: self._extend(part))
        except BaseException as error:
            await self.intake.refused(part.upload, error)
            raise
        return Added(first, count), quota

    async def _extend(self, part: Part) -> int:
        upload = part.upload
        idempotency = (upload.idempotency, part.fingerprint) if part.fingerprint else None
        arrived = ArrivedPart(upload.job_id, len(upload.metas), upload.stored_bytes)
        return await self.intake.store.extend(part.job.submission.job_id, arrived, upload.rejections(), idempotency)

    async def _added_before(self, part: Part) -> int:
        first = await self.intake.store.part(part.job.submission.job_id, part.twin)
        if first is None:
            raise NotFound("the job that this was added to is gone", code="job_not_found")
        return first

    async def _check_deadline(self, part: Part) -> None:
        """Ask what is left of the job, the part included, as if it were a job that is submitted now."""
        job, deadline_ms = part.job, part.job.submission.deadline_ms
        if deadline_ms is None:
            return
        now_ms = await self.intake.clock.now_ms()
        if deadline_ms <= now_ms:
            raise Conflict("no images can be added to this job: its deadline has passed", code="job_closed")
        left = job.total - job.done - job.failed + len(part.upload.metas)
        await self.intake.check_deadline(msgspec.structs.replace(job.submission, count=left, submitted_ms=now_ms))


def require_open(job: JobView) -> None:
    """Raise Conflict (``job_closed``) where nothing can be added to ``job``."""
    if not job.open:
        raise job_closed(JobState(job.state))
