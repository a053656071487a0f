"""Stores to test: a folder, and a bucket behind a real HTTP server (`s3_stand_in` says how real)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from s3_stand_in import BUCKET, serving_s3, with_bucket

from cliply_resources.storage import LocalStorage, S3Storage


@pytest.fixture(scope="session")
def s3_server():
    with serving_s3() as address:
        yield address


@pytest.fixture(scope="session")
def bucket(s3_server):
    with with_bucket(s3_server) as found:
        yield found, S3Storage(BUCKET, "all/of/it", endpoint_url=s3_server)


@pytest.fixture
def s3(bucket):
    found, store = bucket
    yield store
    found.objects.all().delete()


@pytest.fixture
def local(tmp_path):
    return LocalStorage(tmp_path / "store", secret_file=tmp_path / "home" / "link-secret")


@pytest.fixture(params=["local", "s3"])
def store(request):
    return request.getfixturevalue(request.param)
