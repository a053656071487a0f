"""Rows: the embedded server, the migrations, sessions bound to a workspace, and the tables as Python sees them.

    database = Database.open(get_settings())
    with database.pipeline(workspace_id) as session:      # one transaction, one workspace
        session.add(Upload(source_kind="file", source_uri=path, settings_digest=digest))

`workspace_id` columns fill themselves from the bound workspace. State changes of uploads, steps, clips and renders become rows
in `events` and ring `cliply_events`; percentages ring `cliply_progress` only.
"""

from cliply_resources.database.brands import BrandFileRow, BrandKitRow
from cliply_resources.database.connect import Database, Notice
from cliply_resources.database.embedded import EmbeddedPostgres, ServerAddress
from cliply_resources.database.identity import Member, User
from cliply_resources.database.migrate import migrate
from cliply_resources.database.models import Base, Clip, Event, EventHead, Render, Upload, UploadStep, Workspace
from cliply_resources.database.operations import StorageTally
from cliply_resources.database.publishing import (
    AccountReading,
    AccountRow,
    FeedSubscription,
    ImportedPost,
    OAuthState,
    PlatformEvent,
    PlatformSwitch,
    PostAttempt,
    PostMeasure,
    PostMetrics,
    PostRow,
    PublishDefaults,
    ReadingBudget,
)
from cliply_resources.database.reviews import ClipComment, RenderWish
from cliply_resources.database.runs import UploadRun
from cliply_resources.database.webhooks import EventTicket, WebhookAttempt, WebhookDelivery, WebhookEndpoint

__all__ = [
    "AccountReading",
    "AccountRow",
    "Base",
    "BrandFileRow",
    "BrandKitRow",
    "Clip",
    "ClipComment",
    "Database",
    "EmbeddedPostgres",
    "Event",
    "EventHead",
    "EventTicket",
    "FeedSubscription",
    "ImportedPost",
    "Member",
    "Notice",
    "OAuthState",
    "PlatformEvent",
    "PlatformSwitch",
    "PostAttempt",
    "PostMeasure",
    "PostMetrics",
    "PostRow",
    "PublishDefaults",
    "ReadingBudget",
    "Render",
    "RenderWish",
    "ServerAddress",
    "StorageTally",
    "Upload",
    "UploadRun",
    "UploadStep",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Workspace",
    "migrate",
]
