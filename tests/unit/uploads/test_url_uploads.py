"""The same address again: what was not finished goes on, what was finished is fetched anew."""

from uuid import UUID

import sqlalchemy as sa

from cliply_resources.database import Database
from cliply_resources.database.models import UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.uploads import claim_upload, find_or_create_url_upload

URL = "https://www.youtube.com/watch?v=abc"


def ask(database: Database, *, clips: int = 5) -> tuple[UUID, bool]:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        found, new = find_or_create_url_upload(session, workspace, url=URL, settings=UploadSettings(clips=clips))
        claim_upload(session, workspace, found)
    return found, new


def test_an_unfinished_address_goes_on_where_it_stopped(database: Database) -> None:
    first, new = ask(database)
    assert new
    assert ask(database) == (first, False)


def test_a_finished_address_is_fetched_anew_since_it_may_show_something_else(database: Database) -> None:
    first, _ = ask(database)
    with database.pipeline(database.local_workspace()) as session:
        session.execute(sa.update(UploadStep).values(state="completed"))
    second, new = ask(database)
    assert new
    assert second != first


def test_other_settings_are_another_upload(database: Database) -> None:
    assert ask(database)[0] != ask(database, clips=3)[0]
