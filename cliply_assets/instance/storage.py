"""Dagster's records in Postgres, over one small connection pool a process.

The stock storage opens a connection for every statement: 243 of them in a nine-step run, more time than the steps take.
"""

import os
from typing import Any

import sqlalchemy
from dagster import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy.engine import Engine

from cliply_resources.database import Database
from cliply_resources.settings import get_settings

__all__ = ["PooledPostgresStorage", "close_pools"]

POOL_SIZE = 4
"""Connections kept open by one process; a step uses one, the webserver and the daemon a few at once."""

POOL_OVERFLOW = 12
"""Further connections in a burst, closed when it is over."""

_engines: dict[tuple[int, str], Engine] = {}


def _engine_of_this_process(url: str) -> Engine:
    # A pool must not cross a fork: parent and child would talk over the same socket.
    key = (os.getpid(), url)
    if key not in _engines:
        _engines[key] = sqlalchemy.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
            pool_recycle=300,
        )
    return _engines[key]


def close_pools() -> None:
    """Gives this process's connections back; the next use opens new ones."""
    for (process, _), engine in _engines.items():
        engine.dispose(close=process == os.getpid())
    _engines.clear()


class PooledPostgresStorage(DagsterPostgresStorage):
    """The stock Postgres storage whose three parts share one pooled engine.

    Without `postgres_url` it uses Cliply's own server, which it starts when it is not running.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, should_autocreate_tables=True, inst_data=inst_data)
        engine = _engine_of_this_process(postgres_url)
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = engine

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """What `dagster.yaml` may say."""
        return {"postgres_url": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]
    ) -> "PooledPostgresStorage":
        """Called by Dagster in every process that loads the instance."""
        url = config_value.get("postgres_url")
        if url is None:
            with Database.open(get_settings()) as database:
                url = database.dagster_url
        return cls(url, inst_data=inst_data)
