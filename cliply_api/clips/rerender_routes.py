"""`/api/clips/…/rerender`: new versions with other settings."""

from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import limit, may
from cliply_api.auth.principal import Principal
from cliply_api.clips import examples, rerenders
from cliply_api.clips.schemas import NewRender, NewRenders, RerendersView, RerenderView
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["rerender_handlers"]

RENDERS = limit("renders", "renders_per_hour", 3600, by="user", of_what="requests to render again")


@post(
    "/{clip_id:uuid}/rerender",
    guards=[may("clip.render"), RENDERS],
    status_code=202,
    opt=IDEMPOTENT
    | {
        "examples": {
            "body": {"aspects": ["1:1"], "style": "karaoke", "start_s": 611.7, "end_s": 643.88},
            202: examples.RERENDER,
        }
    },
    operation_id="RerenderClip",
    summary="Render a clip again",
    sync_to_thread=True,
)
def rerender_clip(
    session: NamedDependency[Session],
    storage: NamedDependency[Storage],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    data: JSONBody[NewRender],
) -> RerenderView:
    """In other aspect ratios, with other captions, with a changed title, or cut wider or tighter, which then holds for the clip.

    The answer says what will be made; look at it again until it is `done`. Older versions stay as they are, and asking twice
    for the same makes it once.
    """
    return rerenders.ask(session, storage, principal, facts, clip_id, data)


@post(
    "/batch/rerender",
    guards=[may("clip.render")],
    status_code=202,
    opt=IDEMPOTENT
    | {
        "examples": {
            "body": {"clip_ids": [examples.CLIP["id"]], "style": "karaoke"},
            202: {"rerenders": [examples.RERENDER]},
        }
    },
    operation_id="RerenderClips",
    summary="Render several clips again",
    sync_to_thread=True,
)
def rerender_clips(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    data: JSONBody[NewRenders],
) -> RerendersView:
    """All of them with the same settings, or with an error none. Each clip counts as one request to render again."""
    RENDERS.take(database, settings, str(principal.user_id), len(data.clip_ids))
    return rerenders.ask_all(session, principal, facts, data)


@get(
    "/{clip_id:uuid}/rerenders",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.page(examples.RERENDER)}},
    operation_id="ListRerenders",
    summary="List what was asked to be rendered again",
    sync_to_thread=True,
)
def list_rerenders(
    session: NamedDependency[Session], page: NamedDependency[PageRequest], clip_id: FromPath[UUID]
) -> Page[RerenderView]:
    """The newest first."""
    return rerenders.list_rerenders(session, page, clip_id)


@get(
    "/{clip_id:uuid}/rerenders/{rerender_id:uuid}",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.RERENDER | {"state": "done", "versions": {"1:1": 1}}}},
    operation_id="GetRerender",
    summary="See how far a re-rendering is",
    sync_to_thread=True,
)
def get_rerender(
    session: NamedDependency[Session], clip_id: FromPath[UUID], rerender_id: FromPath[UUID]
) -> RerenderView:
    """Once it is `done`, `versions` says which versions of the clip fulfil it."""
    return rerenders.get_rerender(session, clip_id, rerender_id)


rerender_handlers = [rerender_clip, rerender_clips, list_rerenders, get_rerender]
