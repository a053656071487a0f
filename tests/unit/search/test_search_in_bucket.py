"""The index beside the objects in a bucket, behind a real HTTP server that speaks S3's protocol."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cliply_assets.search.documents import make_documents
from cliply_assets.search.index import SearchIndex, open_index
from cliply_assets.search.passages import Passage
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

WORKSPACE = uuid4()


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-no-value")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        boto3.session.Session().resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("films").create()
        yield Settings(storage_url="s3://films/all/of/it", s3_endpoint=endpoint)
    finally:
        server.stop()


def put(index: SearchIndex, upload: UUID, document: str, text: str) -> None:
    passage = Passage(start=0.0, end=2.0, text=text, speaker=None, segments=1)
    index.replace(upload, document, make_documents([passage], duration=2.0))


def test_an_index_in_a_bucket_is_written_replaced_searched_and_removed(chosen: Settings) -> None:
    index = open_index(chosen, WORKSPACE)
    assert index.documents() == {}
    first, second = uuid4(), uuid4()
    put(index, first, "a", "apples are red")
    put(index, second, "b", "apples are green")
    put(index, first, "c", "apples are blue")
    index.tidy()
    other = open_index(chosen, WORKSPACE)
    assert other.documents() == {first: "c", second: "b"}
    assert {hit.upload for hit in other.by_words("apple", upload_id=None, limit=5)} == {first, second}
    assert other.by_words("red", upload_id=None, limit=5) == []
    assert open_index(chosen, uuid4()).documents() == {}
    other.remove([first])
    assert index.documents() == {second: "b"}


def test_the_index_goes_with_everything_else_of_its_workspace(chosen: Settings) -> None:
    put(open_index(chosen, WORKSPACE), uuid4(), "a", "apples are red")
    assert open_storage(chosen).delete_prefix(str(WORKSPACE)) > 0
    assert open_index(chosen, WORKSPACE).documents() == {}
