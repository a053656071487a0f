"""The application, and how to add to it.

    python -m cliply_api.serve          (or: uvicorn --factory cliply_api.app:create_app --no-proxy-headers)

An area is a folder: `routes.py` (handlers of three to six lines), `schemas.py` (what comes in and goes out), `service.py` (what
happens, with a session and no HTTP). To add one:

1. **Schemas.** Bodies that come in derive from `web.fields.Request` (unknown fields are refused) and use its bounded types, never a plain
   `str`; what may be absent in a PATCH is `Name | UnsetType = UNSET`. Bodies that go out derive from `web.fields.View`.

2. **Routes.** Plain functions, `sync_to_thread=True` where they touch the database; sources are declared:

       @post("/", guards=[may("clip.comment")], opt=IDEMPOTENT | {"examples": {"body": {…}, 201: {…}}},
             operation_id="AddComment", summary="Comment on a clip", sync_to_thread=True)
       def add_comment(session: NamedDependency[Session], principal: NamedDependency[Principal],
                       clip_id: FromPath[UUID], data: JSONBody[NewComment]) -> CommentView:
           \"\"\"Says in a sentence what it promises.\"\"\"
           return service.add_comment(session, principal, clip_id, data)

       routes = Router("/api/clips", route_handlers=[add_comment, …], tags=["Clips"])

   and add `routes` to `ROUTES` below. A path parameter named `workspace_id` chooses the workspace that permissions are judged in.

3. **Guard.** Exactly one of `may("…")`, `signed_in()`, `system_admin()`, `public()`; `create_app` refuses a handler without one. A new
   permission is a word in `auth/permissions.py`, given to a role there. The caller is `principal`, and `principal.workspace` is where.

4. **Session.** Exactly one of `session` (the workspace's rows) and `identity` (accounts); see `web/sessions.py`. Never commit: that
   happens before the first byte is sent. A stream outlives its request's session: open short ones with `database.api(…)` inside it.

5. **Errors.** Raise `NotFound`, `Conflict`, `CallerError`, `MediaError`, `TryLater` of `cliply_resources.errors`, or an `ApiError` with a
   new code in `errors.ErrorCode`. Messages of `NotFound` name no id, so that a foreign one answers like a made-up one.

6. **Idempotency.** Every POST that creates or spends: `opt=IDEMPOTENT`. Nothing else is to be done; see `web/idempotency.py`.

7. **Limits.** Every request takes one from its user's and workspace's bucket. One of its own: `limit("render", "renders_per_hour", 3600,
   by="user")` among the guards, with a field of that name in the settings.

8. **Audit.** `audit(session, principal, facts, "clip.approved", subject=…)` of `web/audit.py` for what a workspace's owner would want to
   look up later.

9. **Tests.** `tests/api/test_<area>.py` over HTTP: fixtures `client`, `second_client`, `ada`, `stranger`, `ask` of `conftest.py`;
   `sign_up`, `join` and `fresh_mail` of `api_people.py`. The tests over all routes (permission, 401, 404 for foreign ids,
   documentation) find new
   handlers by themselves; `foreign_ids` in `api_people.py` needs a row of the other workspace for every new path parameter.

Webhooks that come in and sockets that browsers open cannot send our headers: mark them `public()` and check their own proof first.
"""

import importlib.metadata
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from anyio import CancelScope, create_task_group, to_thread
from litestar import Litestar, Request
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler

from cliply_api.accounts.desk import Desk, provide_desk
from cliply_api.accounts.routes import routes as publishing_account_routes
from cliply_api.administration.routes import routes as admin_routes
from cliply_api.administration.switches import routes as switch_routes
from cliply_api.analytics.routes import post_metrics_routes
from cliply_api.analytics.routes import routes as analytics_routes
from cliply_api.auth.guards import requirement_of
from cliply_api.auth.keys import KeyRing
from cliply_api.auth.middleware import CSRF_HEADER, WORKSPACE_HEADER, Authentication
from cliply_api.auth.passwords import Passwords
from cliply_api.auth.principal import Principal
from cliply_api.background import housekeeping
from cliply_api.brand_kits.routes import routes as brand_kit_routes
from cliply_api.clips.routes import routes as clip_routes
from cliply_api.dead_letters.routes import routes as dead_letter_routes
from cliply_api.errors import Unauthenticated, as_reply
from cliply_api.events.hub import EventHub
from cliply_api.events.routes import routes as event_routes
from cliply_api.events.routes import socket_routes
from cliply_api.hooks.matching import keep_matching
from cliply_api.hooks.routes import routes as hook_routes
from cliply_api.identity.routes import account_routes, auth_routes
from cliply_api.identity.sign_in import SignIns
from cliply_api.logs import configure_logs
from cliply_api.objects.routes import routes as object_routes
from cliply_api.posts.routes import routes as post_routes
from cliply_api.sandbox.routes import routes as sandbox_routes
from cliply_api.system.metrics import metrics
from cliply_api.system.pipeline_metrics import PipelineMetrics
from cliply_api.system.routes import routes as system_routes
from cliply_api.tokens.routes import routes as token_routes
from cliply_api.uploads.routes import routes as upload_routes
from cliply_api.web.document import build_document, document_routes, openapi_config
from cliply_api.web.exact import exact_types
from cliply_api.web.facts import RequestFacts, facts_of
from cliply_api.web.idempotency import HEADER, Idempotency
from cliply_api.web.outermost import Outermost
from cliply_api.web.pages import provide_page
from cliply_api.web.responses import ApiResponse
from cliply_api.web.sessions import provide_identity, provide_session
from cliply_api.webhooks.drain import drain_webhooks
from cliply_api.webhooks.routes import routes as webhook_routes
from cliply_api.workspaces.leaving import purging
from cliply_api.workspaces.routes import invitation_routes
from cliply_api.workspaces.routes import routes as workspace_routes
from cliply_resources.crash_reports import start_reports
from cliply_resources.database import Database
from cliply_resources.mail import open_mailer
from cliply_resources.settings import Settings, get_settings
from cliply_resources.storage import Storage, open_storage
from cliply_resources.vault import Vault
from cliply_resources.webhooks import webhook_policy

__all__ = ["ROUTES", "create_app"]

ROUTES: tuple[Any, ...] = (
    auth_routes,
    account_routes,
    token_routes,
    workspace_routes,
    invitation_routes,
    upload_routes,
    dead_letter_routes,
    object_routes,
    clip_routes,
    brand_kit_routes,
    publishing_account_routes,
    post_routes,
    post_metrics_routes,
    analytics_routes,
    hook_routes,
    admin_routes,
    switch_routes,
    sandbox_routes,
    event_routes,
    socket_routes,
    webhook_routes,
    system_routes,
    metrics,
)
"""The areas' routers."""

MAX_FORM_PARTS = 10


def create_app(settings: Settings | None = None) -> Litestar:
    """The whole web application; it opens (and if need be starts and migrates) the database when it starts up."""
    chosen = settings or get_settings()
    configure_logs()
    start_reports(chosen, part="api")
    app = Litestar(
        route_handlers=[*ROUTES, *document_routes()],
        middleware=[Authentication, Idempotency],
        before_request=exact_types,
        dependencies={
            "session": Provide(provide_session),
            "identity": Provide(provide_identity),
            "principal": Provide(provide_principal, sync_to_thread=False),
            "facts": Provide(provide_facts, sync_to_thread=False),
            "page": Provide(provide_page, sync_to_thread=False),
            "settings": Provide(provide_settings, sync_to_thread=False),
            "database": Provide(provide_database, sync_to_thread=False),
            "sign_ins": Provide(provide_sign_ins, sync_to_thread=False),
            "storage": Provide(provide_storage, sync_to_thread=False),
            "desk": Provide(provide_desk, sync_to_thread=False),
        },
        exception_handlers={Exception: as_reply},
        response_class=ApiResponse,
        cors_config=_cors(chosen),
        openapi_config=None,
        request_max_body_size=chosen.max_body_bytes,
        multipart_form_part_limit=MAX_FORM_PARTS,
        lifespan=[_running],
        state=State({"settings": chosen}),
        logging_config=None,
        debug=False,
    )
    documented = openapi_config(importlib.metadata.version("cliply"))
    app.state.document = _once(lambda: build_document(app, documented))
    _check_guards(app)
    app.asgi_handler = Outermost(app.asgi_handler, chosen)
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncGenerator[None, None]:
    settings: Settings = app.state.settings
    database = await to_thread.run_sync(Database.open, settings)
    app.state.database = database
    app.state.storage = _once(lambda: open_storage(settings))
    app.state.key_ring = KeyRing(database, settings)
    app.state.sign_ins = SignIns(database, app.state.key_ring, Passwords(settings), settings)
    app.state.mailer = open_mailer(settings)
    app.state.hub = EventHub(database, per_workspace=settings.streams_per_workspace)
    app.state.webhook_policy = webhook_policy(settings)
    app.state.desk = Desk(settings, database, Vault(settings))
    app.state.pipeline_metrics = PipelineMetrics(settings, database)
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(housekeeping, database, app.state.mailer, settings)
            tasks.start_soon(purging, database, app.state.storage, settings)
            tasks.start_soon(app.state.hub.run)
            tasks.start_soon(keep_matching, app.state.desk)
            tasks.start_soon(drain_webhooks, database, app.state.desk.vault, app.state.webhook_policy)
            yield
            tasks.cancel_scope.cancel()
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(database.close)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", WORKSPACE_HEADER, HEADER, CSRF_HEADER, "Last-Event-ID"],
        expose_headers=["X-Request-Id", "Retry-After", "Idempotent-Replayed", "Location", "ETag"],
        allow_credentials=True,
    )


def _check_guards(app: Litestar) -> None:
    """Nobody forgets to say who may call a handler."""
    for route in app.routes:
        for handler in _handlers(route):
            if requirement_of(handler) is None and getattr(handler, "http_methods", set()) != {"OPTIONS"}:
                raise ImproperlyConfiguredException(
                    f"{handler} at {route.path} must name exactly one of may(…), signed_in(), system_admin(), public()."
                )


def _handlers(route: Any) -> list[BaseRouteHandler]:
    return list(route.route_handlers) if hasattr(route, "route_handlers") else [route.route_handler]


def _once(make: Callable[[], Any]) -> Callable[[], Any]:
    return cache(make)


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """The dependency `principal`: who is asking."""
    who = facts_of(request.scope).principal
    if who is None:
        raise Unauthenticated("Sign in, and send the access token as “Authorization: Bearer …”.")
    return who


def provide_facts(request: Request[Any, Any, Any]) -> RequestFacts:
    """The dependency `facts`: request id and caller's address."""
    return facts_of(request.scope)


def provide_settings(request: Request[Any, Any, Any]) -> Settings:
    """The dependency `settings`."""
    found: Settings = request.app.state.settings
    return found


def provide_database(request: Request[Any, Any, Any]) -> Database:
    """The dependency `database`, for streams that outlive their request's session."""
    found: Database = request.app.state.database
    return found


def provide_sign_ins(request: Request[Any, Any, Any]) -> SignIns:
    """The dependency `sign_ins`."""
    found: SignIns = request.app.state.sign_ins
    return found


def provide_storage(request: Request[Any, Any, Any]) -> Storage:
    """The dependency `storage`."""
    found: Storage = request.app.state.storage()
    return found
