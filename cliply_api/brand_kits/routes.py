"""`/api/brand-kits`."""

from typing import Any
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.brand_kits import files, service
from cliply_api.brand_kits.schemas import BrandFileCreated, BrandKitView, ChangeBrandKit, NewBrandFile, NewBrandKit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["routes"]

FILE = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e31",
    "kind": "logo",
    "name": "Acme.png",
    "size": 18211,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "facts": {"width": 800, "height": 240},
    "url": "https://cliply.example.com/objects/0192f0c4-…/brands/…/9f86d081….png?expires=…&signature=…",
    "created_at": "2026-11-20T10:00:00Z",
}
KIT = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e30",
    "name": "Acme",
    "is_default": True,
    "style": "karaoke",
    "look": None,
    "colours": {"text": "#FFFFFF", "spoken": "#FFE14D", "outline": None, "plate": "#40105A", "background": "#102040"},
    "logo": {"corner": "top_left", "opacity": 1.0, "width_percent": 16.0},
    "watermark": {"corner": "bottom_right", "opacity": 0.5, "width_percent": 12.0},
    "files": [FILE],
    "warnings": [],
    "created_at": "2026-11-20T10:00:00Z",
    "changed_at": "2026-11-20T10:05:00Z",
}
NEW = {"name": "Acme", "style": "karaoke", "colours": {"spoken": "#FFE14D", "plate": "#40105A"}, "is_default": True}
NEW_FILE = {"kind": "logo", "name": "Acme.png", "size": 18211, "content_type": "image/png"}
CREATED = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e31",
    "kind": "logo",
    "put": {
        "method": "PUT",
        "url": "https://cliply.example.com/objects/0192f0c4-…/brands/…/incoming-0192f0c4-….png?expires=…&signature=…",
        "headers": {"Content-Type": "image/png", "Content-Length": "18211"},
        "expires_at": "2026-11-20T11:00:00Z",
    },
}


@post(
    "/",
    guards=[may("brand.write")],
    opt=IDEMPOTENT | {"examples": {"body": NEW, 201: KIT | {"files": []}}},
    operation_id="CreateBrandKit",
    summary="Make a brand kit",
    sync_to_thread=True,
)
def create(
    session: NamedDependency[Session],
    storage: NamedDependency[Storage],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[NewBrandKit],
) -> BrandKitView:
    """Colours, a caption style, and where pictures lie; files are uploaded afterwards."""
    return service.create(session, principal, facts, data, storage=storage)


@get(
    "/",
    guards=[may("brand.read")],
    opt={"examples": {200: {"data": [KIT], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListBrandKits",
    summary="List brand kits",
    sync_to_thread=True,
)
def list_kits(
    session: NamedDependency[Session], storage: NamedDependency[Storage], page: NamedDependency[PageRequest]
) -> Page[BrandKitView]:
    """By name."""
    return service.list_kits(session, page, storage=storage)


@get(
    "/{kit_id:uuid}",
    guards=[may("brand.read")],
    opt={"examples": {200: KIT}},
    operation_id="GetBrandKit",
    summary="Get a brand kit",
    sync_to_thread=True,
)
def read(session: NamedDependency[Session], storage: NamedDependency[Storage], kit_id: FromPath[UUID]) -> BrandKitView:
    """With links to its files, and warnings about colours that can hardly be read."""
    return service.view_of(session, service.kit_of(session, kit_id), storage)


@patch(
    "/{kit_id:uuid}",
    guards=[may("brand.write")],
    opt={"examples": {"body": {"colours": {"spoken": "#FFE14D"}, "logo": {"corner": "top_right"}}, 200: KIT}},
    operation_id="ChangeBrandKit",
    summary="Change a brand kit",
    sync_to_thread=True,
)
def change(
    session: NamedDependency[Session],
    storage: NamedDependency[Storage],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    kit_id: FromPath[UUID],
    data: JSONBody[ChangeBrandKit],
) -> BrandKitView:
    """Counts for what is asked for from now on; uploads and re-renderings that were asked for before stay as they were.

    With `is_default` it becomes the workspace's default, and another stops being it.
    """
    return service.change(session, principal, facts, kit_id, data, storage=storage)


@delete(
    "/{kit_id:uuid}",
    guards=[may("brand.write")],
    operation_id="DeleteBrandKit",
    summary="Delete a brand kit",
    sync_to_thread=True,
)
def remove(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    kit_id: FromPath[UUID],
) -> None:
    """Clips that were made with it stay as they are, and what was asked for before is still made with it."""
    service.remove(session, principal, facts, kit_id)


@post(
    "/{kit_id:uuid}/files",
    guards=[may("brand.write")],
    opt=IDEMPOTENT | {"examples": {"body": NEW_FILE, 201: CREATED}},
    operation_id="CreateBrandFile",
    summary="Give a brand kit a file",
    sync_to_thread=True,
)
def create_file(
    session: NamedDependency[Session],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    kit_id: FromPath[UUID],
    data: JSONBody[NewBrandFile],
) -> BrandFileCreated:
    """A logo or watermark (PNG, JPEG, WebP), a font (TTF, OTF) or an outro (up to 10 s). Put it to the URL, then confirm it."""
    return files.announce(session, kit_id, data, storage=storage, settings=settings)


@post(
    "/{kit_id:uuid}/files/{brand_file_id:uuid}/confirm",
    guards=[may("brand.write")],
    opt=IDEMPOTENT | {"examples": {200: KIT}},
    operation_id="ConfirmBrandFile",
    summary="Say that the file is there",
    status_code=200,
    sync_to_thread=True,
)
def confirm_file(
    session: NamedDependency[Session],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    kit_id: FromPath[UUID],
    brand_file_id: FromPath[UUID],
) -> BrandKitView:
    """The bytes are looked at and written anew: pictures as PNG, fonts with the tables that captions need under a name of ours.

    The kit has the file from then on; another of its kind is replaced.
    """
    prepared = files.examine(database, principal, kit_id, brand_file_id, storage=storage, settings=settings)
    return files.keep(session, principal, facts, kit_id, brand_file_id, prepared, storage=storage)


@delete(
    "/{kit_id:uuid}/files/{brand_file_id:uuid}",
    guards=[may("brand.write")],
    operation_id="DeleteBrandFile",
    summary="Take a file from a brand kit",
    sync_to_thread=True,
)
def remove_file(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    kit_id: FromPath[UUID],
    brand_file_id: FromPath[UUID],
) -> None:
    """Clips that were made with it stay as they are."""
    files.remove(session, principal, facts, kit_id, brand_file_id)


HANDLERS: list[Any] = [create, list_kits, read, change, remove, create_file, confirm_file, remove_file]
routes = Router("/api/brand-kits", route_handlers=HANDLERS, tags=["Brand kits"])
