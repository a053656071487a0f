"""One workspace's index: LanceDB tables that are derived from the stored documents, and can be thrown away.

`moments` holds passages with a BM25 index over their text; `vectors-…` the vectors of one embedding model. An upload's rows in a
table are replaced in one commit, and a header row of each upload in `moments` names the document that its rows came from.
"""

import hashlib
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from cliply_assets.search.documents import PASSAGE
from cliply_resources.embedding import Vectors
from cliply_resources.settings import Settings

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["Hit", "SearchIndex", "open_index"]

MOMENTS = "moments"
HEADER = "upload"
"""The kind of an upload's header row; it is there even where nothing is said or shown."""

KEEP_OLD = timedelta(hours=1)
"""Searches under way read the version that they began with; none takes this long."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One row that was found; `passage` is -1 where nobody speaks."""

    upload: UUID
    kind: str
    passage: int
    start: float
    end: float
    score: float


class SpokenPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage as it is indexed."""

    start: float
    end: float
    text: str
    speaker: str | None


def open_index(settings: Settings, workspace_id: UUID) -> "SearchIndex":
    """The workspace's index: under `home`, or in the bucket where objects lie in one, so that all machines share it."""
    url = settings.storage_url
    if url is None or not url.startswith("s3://"):
        return SearchIndex(str(settings.home / "search" / str(workspace_id)), {})
    return SearchIndex(f"{url.rstrip('/')}/{workspace_id}/search", _s3_options(settings))


def _s3_options(settings: Settings) -> dict[str, str]:
    import boto3

    # LanceDB looks for credentials in fewer places than the store does; both must see the same.
    session = boto3.session.Session()
    found = session.get_credentials()
    options = {"region": session.region_name or "us-east-1"}
    if found is not None:
        frozen = found.get_frozen_credentials()
        options |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        if frozen.token:
            options["aws_session_token"] = frozen.token
    if settings.s3_endpoint is not None:
        options |= {"aws_endpoint": settings.s3_endpoint, "aws_virtual_hosted_style_request": "false"}
        options["allow_http"] = str(settings.s3_endpoint.startswith("http://")).lower()
    return options


class SearchIndex:
    """The tables at one place. Only the holder of the workspace's search lock may write; anybody may read meanwhile."""

    def __init__(self, location: str, options: dict[str, str]) -> None:
        import lancedb

        self._connection: Any = lancedb.connect(location, storage_options=options or None)

    def documents(self) -> dict[UUID, str]:
        """Every upload that is indexed, and the digest of the document that its rows came from."""
        table = self._table(MOMENTS)
        if table is None:
            return {}
        found = table.search().where(f"kind = '{HEADER}'").select(["upload", "document"]).limit(None).to_list()
        return {UUID(row["upload"]): row["document"] for row in found}

    def replace(self, upload_id: UUID, document: str, rows: "pl.DataFrame") -> None:
        """The upload's rows are those of `rows` (see `make_documents`) afterwards, and no others.

        `moments` comes last: what its header says is true of all tables, whenever this process dies.
        """
        spaces = rows["embedding"].drop_nulls().unique().to_list()
        current = {_vectors_name(space): space for space in spaces}
        for name in set(self._vector_tables()) - set(current):
            self._delete(name, upload_id)
        for name, space in current.items():
            seen = rows.filter(rows["embedding"] == space)
            self._merge(name, upload_id, _arrow_rows(upload_id, document, seen, len(seen["vector"][0])))
        spoken = rows.filter(rows["kind"] == PASSAGE)
        self._merge(MOMENTS, upload_id, _arrow_rows(upload_id, document, spoken, None))

    def remove(self, upload_ids: Sequence[UUID]) -> None:
        """Nothing of these uploads is left, on disk neither."""
        for name in (*self._vector_tables(), MOMENTS):
            for upload_id in upload_ids:
                self._delete(name, upload_id)
        self.tidy(keep=timedelta(0))

    def clear(self) -> None:
        """Throws all tables away."""
        for name in self._names():
            self._connection.drop_table(name)

    def tidy(self, *, keep: timedelta = KEEP_OLD) -> None:
        """Brings the indexes up to date and drops versions older than `keep`."""
        for name in self._names():
            with warnings.catch_warnings():
                # It warns of readers of older versions; a search that meets this begins again.
                warnings.simplefilter("ignore", UserWarning)
                self._connection.open_table(name).optimize(cleanup_older_than=keep, delete_unverified=not keep)

    def by_words(self, words: str, *, upload_id: UUID | None, limit: int) -> list[Hit]:
        """Passages with these words or forms of them, best first by BM25; no character has a special meaning."""
        import lancedb.query

        # Its types demand what has a default.
        match: Any = lancedb.query.MatchQuery
        table = self._table(MOMENTS)
        if table is None or not words.strip():
            return []
        query = table.search(match(words, "text"), query_type="fts").where(_only(upload_id, PASSAGE), prefilter=True)
        found = query.limit(limit).to_list()
        return _hits(found, lambda row: float(row["_score"]))

    def by_vector(self, vector: Vectors, space: str, *, kind: str, upload_id: UUID | None, limit: int) -> list[Hit]:
        """Passages or pictures near a vector of the embedding `space`, nearest first; the score is the cosine."""
        table = self._table(_vectors_name(space))
        if table is None:
            return []
        query = table.search(vector, vector_column_name="vector").distance_type("cosine")
        found = query.where(_only(upload_id, kind), prefilter=True).limit(limit).to_list()
        return _hits(found, lambda row: 1.0 - float(row["_distance"]))

    def has_vectors(self) -> bool:
        """Whether any upload's pictures were indexed."""
        return bool(self._vector_tables())

    def passages(self, keys: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], SpokenPassage]:
        """Passages by upload and number; those that are not there are left away."""
        table = self._table(MOMENTS)
        if table is None or not keys:
            return {}
        named = ", ".join(f"'{_row_id(upload_id, PASSAGE, number)}'" for upload_id, number in keys)
        found = table.search().where(f"id IN ({named})").limit(None).to_list()
        return {
            (UUID(row["upload"]), row["passage"]): SpokenPassage(
                start=row["start"], end=row["end"], text=row["text"], speaker=row["speaker"]
            )
            for row in found
        }

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in every table, in order of id; to compare two indexes."""
        return {name: self._connection.open_table(name).to_arrow().sort_by("id").to_pylist() for name in self._names()}

    def _names(self) -> list[str]:
        return sorted(self._connection.list_tables(limit=1000).tables)

    def _vector_tables(self) -> list[str]:
        return [name for name in self._names() if name != MOMENTS]

    def _table(self, name: str) -> Any | None:
        return self._connection.open_table(name) if name in self._names() else None

    def _delete(self, name: str, upload_id: UUID) -> None:
        table = self._table(name)
        if table is not None:
            table.delete(f"upload = '{upload_id}'")

    def _merge(self, name: str, upload_id: UUID, rows: "pa.Table") -> None:
        table = self._table(name)
        if table is None:
            table = self._connection.create_table(name, schema=rows.schema)
        if name == MOMENTS and not table.list_indices():
            _index_text(table)
        merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.when_not_matched_by_source_delete(f"upload = '{upload_id}'").execute(rows)


def _index_text(table: Any) -> None:
    from lancedb.index import FTS

    # Words as Unicode divides them, so that scripts without spaces are searched, too; and "mistakes" finds "mistake".
    table.create_index("text", config=FTS(base_tokenizer="icu", stem=True, remove_stop_words=False))


def _vectors_name(space: str) -> str:
    return f"vectors-{hashlib.sha256(space.encode()).hexdigest()[:16]}"


def _row_id(upload_id: UUID, kind: str, number: int) -> str:
    return f"{upload_id}/{kind}/{number:06d}"


def _only(upload_id: UUID | None, kind: str) -> str:
    return f"kind = '{kind}'" + (f" AND upload = '{upload_id}'" if upload_id is not None else "")


def _hits(found: list[dict[str, Any]], score: Any) -> list[Hit]:
    hits = [
        Hit(
            upload=UUID(row["upload"]),
            kind=row["kind"],
            passage=row["passage"],
            start=row["start"],
            end=row["end"],
            score=score(row),
        )
        for row in found
    ]
    # The index gives equals in the order in which it happens to lie on disk.
    return sorted(hits, key=lambda hit: (-hit.score, str(hit.upload), hit.start))


def _arrow_rows(upload_id: UUID, document: str, rows: "pl.DataFrame", dimensions: int | None) -> "pa.Table":
    import pyarrow as pa

    fields = [
        ("id", pa.string()),
        ("upload", pa.string()),
        ("document", pa.string()),
        ("kind", pa.string()),
        ("passage", pa.int32()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("speaker", pa.string()),
        ("text", pa.string()),
    ]
    if dimensions is not None:
        fields.append(("vector", pa.list_(pa.float32(), dimensions)))
    common = {"upload": str(upload_id), "document": document}
    columns = [name for name, _ in fields]
    wanted = [name for name in columns if name not in ("id", "upload", "document")]
    lines = [
        common | {"id": _row_id(upload_id, row["kind"], row["number"])} | {name: row[name] for name in wanted}
        for row in rows.select(*wanted, "number").to_dicts()
    ]
    if dimensions is None:
        header = {"id": _row_id(upload_id, HEADER, 0), "kind": HEADER, "passage": -1}
        lines.append(dict.fromkeys(columns) | common | header)
    return pa.Table.from_pylist(lines, schema=pa.schema(fields))
