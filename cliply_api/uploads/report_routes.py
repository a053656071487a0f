"""`/api/uploads/{upload_id}/report.pdf`, and the chart of signals that it shows."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.uploads import results
from cliply_api.uploads.report_pdf import MOST_CLIPS, Picture, report_pdf
from cliply_api.web.responses import ApiResponse
from cliply_resources.database.models import Render
from cliply_resources.errors import NotFound
from cliply_resources.storage import Storage

__all__ = ["REPORT_HANDLERS"]


@get(
    "/{upload_id:uuid}/report.pdf",
    guards=[may("upload.read")],
    operation_id="GetReportPdf",
    summary="Get a report to print",
    media_type="application/pdf",
    sync_to_thread=True,
)
def report_as_pdf(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> ApiResponse[bytes]:
    """What the JSON report says, with the chart of signals and a picture of every clip, on A4 pages."""
    report = results.report(session, principal, upload_id)
    clips = [clip.id for clip in report.clips[:MOST_CLIPS]]
    newest = session.execute(
        sa.select(Render.clip_id, Render.objects["thumbnail"].astext)
        .where(Render.workspace_id == principal.workspace, Render.clip_id.in_(clips), Render.state == "ready")
        .order_by(Render.version, Render.aspect.desc())
    )
    pictures = {clip_id: _fetching(storage, key) for clip_id, key in newest if key is not None}
    try:
        chart = results.object_of(session, principal, storage, upload_id, "clip_candidates", "signals.png")
    except NotFound:
        chart = None  # not analysed yet
    made = report_pdf(report, chart, pictures)
    headers = {"Content-Disposition": f'inline; filename="report-{upload_id}.pdf"'}
    return ApiResponse(made, media_type="application/pdf", headers=headers)


@get(
    "/{upload_id:uuid}/signals.svg",
    guards=[may("upload.read")],
    operation_id="GetSignalsChart",
    summary="Get the timeline as a drawing",
    media_type="image/svg+xml",
    sync_to_thread=True,
)
def signals_as_svg(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> ApiResponse[bytes]:
    """A curve for every signal, the chosen moments marked with rank and score; sharp at any size."""
    drawn = results.object_of(session, principal, storage, upload_id, "clip_candidates", "signals.svg")
    return ApiResponse(drawn, media_type="image/svg+xml", headers={"Content-Security-Policy": "default-src 'none'"})


@get(
    "/{upload_id:uuid}/signals.png",
    guards=[may("upload.read")],
    operation_id="GetSignalsPicture",
    summary="Get the timeline as a picture",
    media_type="image/png",
    sync_to_thread=True,
)
def signals_as_png(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> ApiResponse[bytes]:
    """The same in pixels, for where no drawing is shown."""
    drawn = results.object_of(session, principal, storage, upload_id, "clip_candidates", "signals.png")
    return ApiResponse(drawn, media_type="image/png")


def _fetching(storage: Storage, key: str) -> Picture:
    def fetch() -> bytes | None:
        try:
            return storage.get_bytes(key)
        except NotFound:
            return None

    return fetch


REPORT_HANDLERS: list[Any] = [report_as_pdf, signals_as_svg, signals_as_png]
