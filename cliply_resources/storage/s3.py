"""Objects in an S3 bucket, or in anything that speaks S3 (MinIO, R2, Ceph)."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from cliply_resources.errors import CliplyError, Conflict, NotFound, Rejected, StepFailed, TryLater
from cliply_resources.storage.contract import ListedObject, SignedUpload, StoredObject, StoredPart
from cliply_resources.storage.files import hash_file, write_whole
from cliply_resources.storage.keys import check_key, check_prefix
from cliply_resources.storage.signing import content_disposition, content_type_of

__all__ = ["S3Storage"]

CONNECT_SECONDS = 10
READ_SECONDS = 60
ATTEMPTS = 5
"""In all, with growing pauses; a single lost connection must not fail a step."""
DELETE_BATCH = 1000
"""Keys in one request, as S3 allows at most."""

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}
_OTHER_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}
_BUSY = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout", "TooManyRequests"}


class S3Storage:
    """A `Storage` in `bucket` under `prefix`; credentials come from where boto3 looks for them (environment, role).

    One object can be shared by threads, but not by processes.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None, region: str | None = None
    ) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        # boto3's shared default session keeps the first credentials it saw, and is not safe to use from several threads.
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region or ("us-east-1" if endpoint_url else None),
            config=Config(
                # Older signatures do not sign an upload's length and type.
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                retries={"mode": "standard", "max_attempts": ATTEMPTS},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                # Stores that are not Amazon's refuse the checksums that newer clients add by themselves.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Hashes, then uploads in parts where it is large; S3 shows an object only once it is complete."""
        name = self._name(key)
        try:
            file = path.open("rb")
        except OSError as error:
            raise StepFailed(f"{path} cannot be stored because it cannot be read: {error.strerror}.") from error
        with file, _translated(key):
            stored = hash_file(file)
            file.seek(0)
            extra = {"ContentType": content_type_of(key), "Metadata": {"sha256": stored.sha256}}
            self._client.upload_fileobj(file, self._bucket, name, ExtraArgs=extra)
        return stored

    def put_bytes(self, key: str, data: bytes) -> StoredObject:
        """One request."""
        stored = StoredObject(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        with _translated(key):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._name(key),
                Body=data,
                ContentType=content_type_of(key),
                Metadata={"sha256": stored.sha256},
            )
        return stored

    def get_bytes(self, key: str) -> bytes:
        """The object's bytes."""
        with _translated(key):
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=self._name(key))["Body"].read()
        return body

    def fetch(self, key: str, into: Path) -> Path:
        """Downloads beside `into` in parts where it is large, and renames once complete."""
        name = self._name(key)

        def write(file: BinaryIO) -> None:
            with _translated(key):
                self._client.download_fileobj(self._bucket, name, file)

        write_whole(into, write, temporary_in=into.parent)
        return into

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """A copy in the system's temporary folder, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="cliply-") as folder:
            yield self.fetch(key, Path(folder, check_key(key).rpartition("/")[2]))

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        """Bytes of the object."""
        with _translated(key):
            return int(self._client.head_object(Bucket=self._bucket, Key=self._name(key))["ContentLength"])

    def delete(self, key: str) -> None:
        """One request; S3 does not mind that there is nothing."""
        with _translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._name(key))

    def delete_prefix(self, prefix: str) -> int:
        """In batches of a thousand, listed as it goes."""
        removed = 0
        for names in self._pages(prefix):
            for first in range(0, len(names), DELETE_BATCH):
                batch = [{"Key": name} for name in names[first : first + DELETE_BATCH]]
                with _translated(prefix):
                    reply = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
                if reply.get("Errors"):
                    refusal = reply["Errors"][0]
                    raise TryLater(f"The object store did not delete {refusal.get('Key')}: {refusal.get('Message')}.")
                removed += len(batch)
        self._abort(prefix, f"{self._prefix}{check_prefix(prefix)}/")
        return removed

    def list_prefix(self, prefix: str) -> Iterator[str]:
        """A page at a time, as S3 lists them."""
        for names in self._pages(prefix):
            yield from (name.removeprefix(self._prefix) for name in names)

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """A page at a time; S3 tells size and time with the name."""
        for entries in self._entries(prefix):
            for entry in entries:
                key = entry["Key"].removeprefix(self._prefix)
                yield ListedObject(key=key, size=int(entry["Size"]), modified=entry["LastModified"])

    def copy(self, source: str, target: str) -> None:
        """Inside the store; in parts where it is large."""
        origin = {"Bucket": self._bucket, "Key": self._name(source)}
        with _translated(source):
            self._client.copy(origin, self._bucket, self._name(target))

    def signed_download_url(self, key: str, *, expires_seconds: int, filename: str | None = None) -> str:
        """A presigned GET that fixes the content type, and the name to save under."""
        wanted = {"Bucket": self._bucket, "Key": self._name(key), "ResponseContentType": content_type_of(key)}
        if filename is not None:
            wanted["ResponseContentDisposition"] = content_disposition(filename)
        return str(self._client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=expires_seconds))

    def signed_upload_url(self, key: str, *, size: int, content_type: str, expires_seconds: int) -> SignedUpload:
        """A presigned PUT whose signature covers length and type; it works where POST policies do not (R2)."""
        wanted = {
            "Bucket": self._bucket,
            "Key": self._name(key),
            "ContentLength": size,
            "ContentType": content_type,
        }
        url = self._client.generate_presigned_url("put_object", Params=wanted, ExpiresIn=expires_seconds)
        return SignedUpload(url=str(url), headers={"Content-Type": content_type, "Content-Length": str(size)})

    def begin_parts(self, key: str) -> str:
        """S3's own name for an upload in parts."""
        with _translated(key):
            begun = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=self._name(key), ContentType=content_type_of(key)
            )
        return str(begun["UploadId"])

    def signed_part_url(self, key: str, session: str, *, number: int, size: int, expires_seconds: int) -> SignedUpload:
        """A presigned UploadPart whose signature covers the length."""
        wanted = {
            "Bucket": self._bucket,
            "Key": self._name(key),
            "UploadId": session,
            "PartNumber": number,
            "ContentLength": size,
        }
        url = self._client.generate_presigned_url("upload_part", Params=wanted, ExpiresIn=expires_seconds)
        return SignedUpload(url=str(url), headers={"Content-Length": str(size)})

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        """A thousand at a time, as S3 lists them."""
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=self._name(key), UploadId=session
        )
        with _translated(key):
            return [
                StoredPart(number=part["PartNumber"], size=part["Size"], etag=part["ETag"])
                for page in pages
                for part in page.get("Parts", ())
            ]

    def join_parts(self, key: str, session: str, etags: Mapping[int, str]) -> None:
        """Inside the store; S3 shows the object only once it is complete."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
        with _translated(key):
            self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=self._name(key), UploadId=session, MultipartUpload={"Parts": parts}
            )

    def abort_parts(self, key: str) -> None:
        """Every upload in parts that is open for this key."""
        name = self._name(key)
        self._abort(key, name, only=name)

    def _abort(self, key: str, below: str, *, only: str | None = None) -> None:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=below)
        with _translated(key):
            for page in pages:
                for found in page.get("Uploads", ()):
                    if only in (None, found["Key"]):
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=found["Key"], UploadId=found["UploadId"]
                        )

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _pages(self, prefix: str) -> Iterator[list[str]]:
        for entries in self._entries(prefix):
            yield [entry["Key"] for entry in entries]

    def _entries(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        # The slash keeps `uploads/1` from meaning `uploads/10` too.
        below = f"{self._prefix}{check_prefix(prefix)}/"
        with _translated(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=below):
                yield list(page.get("Contents", ()))


@contextmanager
def _translated(key: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as faults

    try:
        yield
    except faults.ClientError as error:
        raise _client_error(key, error.response) from error
    except (faults.NoCredentialsError, faults.PartialCredentialsError) as error:
        raise Rejected(
            "The object store cannot be used without credentials. "
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role."
        ) from error
    except (faults.BotoCoreError, Boto3Error) as error:
        raise TryLater(f"The object store did not answer in time or cut the connection: {error}") from error


def _client_error(key: str, response: dict[str, Any]) -> CliplyError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = str(response.get("Error", {}).get("Message", "")) or "no reason given"
    if code in _OTHER_PARTS:
        return Conflict(f"The object store does not have these parts ({code}): {message}.")
    if code == "NoSuchBucket":
        return Rejected("The object store has no such bucket. Create it, or correct CLIPLY_STORAGE_URL.")
    if code in _MISSING:
        return NotFound(f"There is no stored object {key}.")
    if code in _BUSY or status == 429 or status >= 500:
        return TryLater(f"The object store is busy ({code or status}): {message}.")
    return Rejected(f"The object store refused {key} ({code or status}): {message}.")
