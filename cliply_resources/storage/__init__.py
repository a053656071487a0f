"""Stored objects: a local folder or S3, one contract, signed links in both."""

from pathlib import Path

from cliply_resources.errors import CallerError
from cliply_resources.settings import Settings
from cliply_resources.storage.contract import ListedObject, SignedUpload, Storage, StoredObject, StoredPart
from cliply_resources.storage.keys import analysis_key, check_key, clip_key, source_key, workspace_prefix
from cliply_resources.storage.local import LocalStorage
from cliply_resources.storage.s3 import S3Storage

__all__ = [
    "ListedObject",
    "LocalStorage",
    "S3Storage",
    "SignedUpload",
    "Storage",
    "StoredObject",
    "StoredPart",
    "analysis_key",
    "check_key",
    "clip_key",
    "open_storage",
    "source_key",
    "workspace_prefix",
]


def open_storage(settings: Settings) -> Storage:
    """The store that the settings name: `s3://bucket/prefix`, a folder, or `storage` in Cliply's home.

    Raises:
        CallerError: `storage_url` is of a kind that there is no store for.
    """
    url = settings.storage_url
    if url is not None and url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise CallerError(f"CLIPLY_STORAGE_URL is {url!r}, which names no bucket; write s3://bucket/prefix.")
        return S3Storage(bucket, prefix, endpoint_url=settings.s3_endpoint)
    if url is not None and "://" in url:
        raise CallerError(f"CLIPLY_STORAGE_URL is {url!r}; it must be a folder or s3://bucket/prefix.")
    store = LocalStorage(
        Path(url).expanduser() if url else settings.home / "storage",
        base_url=settings.public_url,
        secret_file=settings.home / "link-secret",
    )
    store.sweep_abandoned()
    return store
