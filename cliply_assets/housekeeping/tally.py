"""How much each workspace stores, one row a day."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cliply_assets.housekeeping.across import every_workspace
from cliply_resources.database import Database, StorageTally
from cliply_resources.storage import ListedObject, Storage
from cliply_resources.storage.keys import workspace_prefix

__all__ = ["Tally", "add_up", "tally_storage"]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace's objects, counted; all but `objects` in bytes."""

    objects: int = 0
    bytes: int = 0
    source_bytes: int = 0
    analysis_bytes: int = 0
    clip_bytes: int = 0


def add_up(listed: Iterable[ListedObject]) -> Tally:
    """The sums of a listing, by the folder that each object lies in."""
    objects, sums = 0, {"uploads": 0, "analysis": 0, "clips": 0, "": 0}
    for found in listed:
        objects += 1
        family = found.key.split("/")[1]
        sums[family if family in sums else ""] += found.size
    return Tally(
        objects=objects,
        bytes=sum(sums.values()),
        source_bytes=sums["uploads"],
        analysis_bytes=sums["analysis"],
        clip_bytes=sums["clips"],
    )


def tally_storage(database: Database, storage: Storage, *, day: date) -> dict[UUID, Tally]:
    """Counts every workspace and writes the day's rows; the same day again replaces them."""
    found: dict[UUID, Tally] = {}
    for workspace_id in every_workspace(database):
        tally = found[workspace_id] = add_up(storage.list_objects(workspace_prefix(workspace_id)))
        values = msgspec.structs.asdict(tally)
        statement = insert(StorageTally).values(workspace_id=workspace_id, day=day, **values)
        with database.pipeline(workspace_id) as session:
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=["workspace_id", "day"], set_={**values, "counted_at": sa.func.now()}
                )
            )
    return found
