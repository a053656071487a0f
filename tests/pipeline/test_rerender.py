"""A wish for another version of a clip, from the API's function to the finished file; one film, real tools, a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import av
import pytest
import sqlalchemy as sa
from cliply_command import Cliply, Films
from pydantic import SecretStr

from cliply_api.auth.principal import Principal
from cliply_api.clips import rerenders, service
from cliply_api.clips.schemas import ChangeClip, NewRender, RerenderView
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Clip, Database, Render, UploadStep
from cliply_resources.documents.clips import ASPECTS
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

pytestmark = pytest.mark.slow

TICK = """
import json
import dagster as dg
from cliply_assets.definitions import defs
from cliply_assets.pipeline import Pipeline
from cliply_assets.runs import open_instance
from cliply_resources.settings import get_settings
from sensors.render_wishes import render_wishes

with open_instance(get_settings()) as instance:
    found = render_wishes(dg.build_sensor_context(instance=instance, resources={"pipeline": Pipeline()}))
    ended = []
    for request in getattr(found, "run_requests", []):
        instance.add_dynamic_partitions("uploads", [request.partition_key])
        run = defs.resolve_job_def("rerender").execute_in_process(
            instance=instance, run_config=request.run_config, partition_key=request.partition_key,
            tags=dict(request.tags), raise_on_error=False)
        ended.append(run.success)
print(json.dumps(ended))
"""
"""One tick of the sensor, and the runs it asks for."""


class Place:
    """The local workspace after `cliply clip`."""

    def __init__(self, cliply: Cliply) -> None:
        self.cliply = cliply
        settings = Settings(home=cliply.home, database_url=SecretStr(cliply.url))
        self.database = Database.open(settings)
        self.storage = open_storage(settings)
        self.workspace = self.database.local_workspace()
        self.someone = Principal(
            proof="bearer",
            user_id=UUID(int=1),
            email="ada@example.com",
            name="Ada",
            verified=True,
            is_admin=False,
            workspace_id=self.workspace,
            role="editor",
        )

    def ask(self, clip: UUID, **wanted: Any) -> RerenderView:
        with self.database.api(self.workspace) as session:
            return rerenders.ask(session, self.storage, self.someone, RequestFacts(), clip, NewRender(**wanted))

    def look(self, clip: UUID, wish: RerenderView) -> RerenderView:
        with self.database.api(self.workspace) as session:
            return rerenders.get_rerender(session, clip, wish.id)

    def tick(self) -> list[bool]:
        done = subprocess.run(
            [sys.executable, "-c", TICK],
            env=self.cliply.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout.splitlines()[-1]))

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.database.pipeline(self.workspace) as session:
            return list(session.execute(query))


@pytest.fixture(scope="module")
def place(cliply: Cliply, films: Films) -> Iterator[Place]:
    done = cliply.clip(films.talk)
    assert done.code == 0, done.said
    made = Place(cliply)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def clip(place: Place) -> UUID:
    return place.rows(sa.select(Clip.id))[0][0]


def versions(place: Place) -> list[tuple[int, str, str, str]]:
    rows = place.rows(
        sa.select(Render.version, Render.aspect, Render.style, Render.state).order_by(Render.created_at, Render.aspect)
    )
    return [tuple(row) for row in rows]


def test_a_wish_becomes_a_version_and_the_same_again_costs_nothing(place: Place, clip: UUID) -> None:
    before = place.rows(sa.select(Render.sha256, Render.objects))
    assert place.tick() == [], "nobody has asked for anything"
    wish = place.ask(clip, aspects=["1:1"], style="karaoke")
    assert place.tick() == [True]
    assert place.tick() == [], "a wish is fulfilled once"
    done = place.look(clip, wish)
    assert (done.state, done.versions) == ("done", {"1:1": 1})
    assert versions(place) == [(1, "9:16", "highlight_word", "ready"), (1, "1:1", "karaoke", "ready")]
    assert place.rows(sa.select(Render.sha256, Render.objects).where(Render.aspect == "9:16")) == before
    encoded = place.cliply.calls("libx264")
    again = place.ask(clip, aspects=["9:16"], style="highlight_word")
    assert place.tick() == [True]
    assert place.look(clip, again).versions == {"9:16": 1}, "the version that is there"
    assert place.cliply.calls("libx264") == encoded
    key = place.rows(sa.select(Render.objects).where(Render.aspect == "1:1"))[0][0]["video"]
    with place.storage.local_path(key) as path, av.open(str(path)) as film:
        picture = film.streams.video[0]
        assert (picture.width, picture.height) == ASPECTS["1:1"]


def test_another_cut_and_another_title_make_the_second_version(place: Place, clip: UUID) -> None:
    (start, end), *_ = place.rows(sa.select(Clip.start_s, Clip.end_s))
    with place.database.api(place.workspace) as session:
        service.change(session, place.someone, RequestFacts(), clip, ChangeClip(title="Another title"))
    wish = place.ask(clip, end_s=start + (end - start) * 0.8)
    assert wish.end_s != end
    assert place.tick() == [True]
    assert place.look(clip, wish).versions == {"9:16": 2}
    [(duration, objects)] = place.rows(sa.select(Render.duration, Render.objects).where(Render.version == 2))
    assert duration == pytest.approx(wish.end_s - wish.start_s, abs=0.1)
    account = json.loads(place.storage.get_bytes(objects["provenance"]))
    assert account["candidate"]["title"] == "Another title"
    assert account["candidate"]["text"]
    with place.database.api(place.workspace) as session:
        found = service.get_clip(session, clip)
    assert (found.start_s, found.end_s) == (wish.start_s, wish.end_s)
    assert (found.versions[0].version, found.versions[0].aspect) == (2, "9:16")


def test_a_wish_that_cannot_be_fulfilled_says_why(place: Place, clip: UUID) -> None:
    [(output,)] = place.rows(sa.select(UploadStep.output).where(UploadStep.step == "scenes"))
    key = output["objects"]["scenes.json"]["key"]
    kept = place.storage.get_bytes(key)
    place.storage.delete(key)
    wish = place.ask(clip, style="typewriter")
    assert place.tick() == [False]
    failed = place.look(clip, wish)
    assert failed.state == "failed"
    assert failed.reason
    place.storage.put_bytes(key, kept)
    assert place.ask(clip, style="typewriter").id != wish.id, "it can be asked for again"
    assert place.tick() == [True]


def test_a_repeated_run_of_the_upload_keeps_what_people_asked_for(place: Place, films: Films, clip: UUID) -> None:
    before = versions(place)
    done = place.cliply.clip(films.talk)
    assert done.code == 0, done.said
    assert versions(place) == before
    assert done.clip()["title"] == "Another title"
