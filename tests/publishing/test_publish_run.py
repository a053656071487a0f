"""The run that publishes: started by what is due, for all uploads at once, reporting each post to its upload."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from publishing_room import soon

from cliply_assets.definitions import defs
from cliply_assets.posts import assets
from cliply_assets.posts.checks import doubtful_posts
from cliply_assets.posts.publisher import Publisher
from cliply_resources.accounts import connect_account
from cliply_resources.database import PostRow, Upload
from cliply_resources.platforms.registry import open_platform
from cliply_resources.posts.wishes import cancel
from cliply_resources.vault import Vault
from schedules.refresh_sign_ins import renew_all
from sensors.due_posts import posts_due_soon


@pytest.fixture
def sandbox_room(plain_room):
    """The room with an account on the sandbox."""
    room = plain_room
    platform = open_platform("sandbox", room.settings)
    now = room.simulator.clock
    code = (
        platform.authorize_url(redirect_uri="http://localhost/", state="s", verifier="v")
        .split("code=")[1]
        .split("&")[0]
    )
    tokens = platform.exchange_code(code=code, redirect_uri="http://localhost/", verifier="v", now=now)
    with room.database.pipeline(room.workspace) as session:
        account = connect_account(
            session, Vault(room.settings), platform, platform.profiles(tokens, now=now)[0], tokens,
            workspace_id=room.workspace, user_id=None, now=now(),
        )  # fmt: skip
        room.accounts["ann"] = account.id
    return room


def test_a_run_publishes_to_the_sandbox_and_reports_the_post_to_its_upload(sandbox_room, monkeypatch):
    room = sandbox_room
    with room.database.pipeline(room.workspace) as session:
        upload = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(upload)
        session.flush()
        of_upload = upload.id
    post = room.post("to the sandbox", platform="sandbox", upload_id=of_upload)
    monkeypatch.setattr(assets, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(assets, "get_settings", lambda: room.settings)

    class Here(dg.ConfigurableResource):
        def database(self):
            return room.database

        def storage(self):
            return room.storage

    with dg.DagsterInstance.ephemeral() as instance:
        done = assets.publish.execute_in_process(instance=instance, resources={"pipeline": Here()})
        assert done.success
        events = str([event for event in instance.all_logs(done.run_id)])
        assert "token-sandbox" not in events
        assert "refresh-sandbox" not in events
        told = instance.get_latest_materialization_event(dg.AssetKey("published_posts")).asset_materialization
    assert told.partition == str(of_upload)
    assert told.metadata["post"].value == str(post)
    row = room.row(post)
    assert (row.state, row.url) == ("published", f"{room.settings.public_url}/sandbox#{row.remote_id}")
    assert list(room.settings.home.glob(f"sandbox/posts/*/{row.remote_id}.mp4"))


def test_the_sensor_sees_what_is_due_soon_and_nothing_that_is_over(plain_room):
    room = plain_room
    now = datetime.now(UTC)
    assert posts_due_soon(room.database, now) == []
    post = room.post("tomorrow", due=soon(room, 86400))
    assert posts_due_soon(room.database, now + timedelta(minutes=5)) == []
    assert posts_due_soon(room.database, now + timedelta(days=2)) == [(room.workspace, post)]
    with room.database.api(room.workspace) as session:
        cancel(session, post)
    assert posts_due_soon(room.database, now + timedelta(days=2)) == []


def test_the_asset_the_job_and_the_sensor_are_there(plain_room):
    assert defs.resolve_job_def("publish").description
    assert defs.resolve_sensor_def("due_posts").default_status is dg.DefaultSensorStatus.RUNNING
    node = defs.resolve_asset_graph().get(dg.AssetKey("published_posts"))
    assert "Runbook" in node.description
    assert {key.to_user_string() for key in node.parent_keys} == {"renders"}


def test_sign_ins_that_end_soon_are_renewed_by_the_schedule(sandbox_room):
    room = sandbox_room
    assert renew_all(room.database, room.settings, datetime.now(UTC)) == {}


def test_a_published_post_that_nothing_proves_is_found(sandbox_room):
    room = sandbox_room
    good = room.post("proved", platform="sandbox")
    publisher = Publisher(room.database, room.storage, room.settings)
    assert publisher.run(idle_seconds=1.0) == 1
    bad = room.post("not proved", platform="sandbox", due=soon(room, 900))
    with room.database.pipeline(room.workspace) as session:
        row = session.get_one(PostRow, (room.workspace, bad))
        row.state, row.published_at, row.wake_at = "published", soon(room, 0), None
    found = doubtful_posts(room.database, room.workspace)
    assert (found.nameless, found.without_intent, found.doubled) == ((bad,), (bad,), ())
    with room.database.pipeline(room.workspace) as session:
        session.get_one(PostRow, (room.workspace, bad)).remote_id = "same"
        session.get_one(PostRow, (room.workspace, good)).remote_id = "same"
    assert set(doubtful_posts(room.database, room.workspace).doubled) == {good, bad}
