"""One workspace tries everything on another's rows, in every table and as every serving role."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from cliply_resources.database import Database, Upload
from cliply_resources.settings import Settings

ROLES = ["pipeline", "api"]
DENIED = "42501"

KEPT_FROM_PIPELINE = {"event_tickets", "oauth_states", "webhook_attempts", "webhook_deliveries", "webhook_endpoints"}
"""Reviewed: the pipeline tells what happens, and has no business with whom it is told to, nor with their secrets."""


def key_of(table):
    return "id" if table == "workspaces" else "workspace_id"


def attempt(session, statement, **values):
    """Rows it touched or returned, or the SQL state it was refused with; undone either way."""
    savepoint = session.begin_nested()
    try:
        result = session.execute(text(statement), values)
        return len(result.all()) if result.returns_rows else result.rowcount
    except (ProgrammingError, IntegrityError) as refused:
        return refused.orig.sqlstate
    finally:
        savepoint.rollback()


@pytest.fixture(params=ROLES)
def act(request, two):
    """A transaction of our workspace in one of the serving roles."""
    with getattr(two.database, request.param)(two.ours) as session:
        yield session


def test_every_table_is_filled_on_both_sides(two, tables, shared_url):
    with psycopg.connect(shared_url) as connection:
        for table in tables:
            query = sql.SQL("SELECT count(DISTINCT {}) FROM {}").format(
                sql.Identifier(key_of(table)), sql.Identifier(table)
            )
            assert connection.execute(query).fetchone() == (2,), f"add a row of {table} to the fixture"


def test_we_see_our_rows_and_none_of_theirs(act, two, tables, request):
    kept = KEPT_FROM_PIPELINE if "pipeline" in request.node.callspec.id else set()
    for table in kept:
        assert attempt(act, f"SELECT * FROM {table}") == DENIED, table
    for table in sorted(set(tables) - kept):
        assert attempt(act, f"SELECT * FROM {table}") >= 1, table
        assert attempt(act, f"SELECT * FROM {table} WHERE {key_of(table)} = :theirs", theirs=two.theirs) == 0, table


def test_a_row_cannot_be_planted_with_them(act, two, tables):
    for table in tables:
        planted = (
            f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('{key_of(table)}', CAST(:theirs AS uuid)))).* "
            f"FROM {table} t LIMIT 1"
        )
        assert attempt(act, planted, theirs=two.theirs) == DENIED, table


def test_our_row_cannot_be_moved_to_them(act, two, tables):
    for table in tables:
        assert attempt(act, f"UPDATE {table} SET {key_of(table)} = :theirs", theirs=two.theirs) == DENIED, table


def test_their_row_cannot_be_taken(act, two, tables):
    for table in tables:
        taken = attempt(
            act,
            f"UPDATE {table} SET {key_of(table)} = :ours WHERE {key_of(table)} = :theirs",
            ours=two.ours,
            theirs=two.theirs,
        )
        assert taken in (0, DENIED), table


def test_their_rows_cannot_be_deleted(act, two, tables):
    for table in tables:
        assert attempt(act, f"DELETE FROM {table} WHERE {key_of(table)} = :theirs", theirs=two.theirs) in (0, DENIED), (
            table
        )


def test_their_rows_cannot_be_locked(act, two, tables):
    for table in tables:
        locked = attempt(act, f"SELECT * FROM {table} WHERE {key_of(table)} = :theirs FOR UPDATE", theirs=two.theirs)
        assert locked in (0, DENIED), table


def test_no_row_can_refer_to_a_row_of_another_workspace(two, shared_url):
    """Asked as a superuser: where even row level security does not look, the composite keys still hold."""
    with psycopg.connect(shared_url) as connection:
        references = connection.execute(
            "SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text FROM pg_constraint c "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[2] WHERE c.contype = 'f' "
        ).fetchall()
        assert len(references) >= 5
        for table, column, parent in references:
            foreign = sql.SQL("(SELECT id FROM {} WHERE workspace_id = {} LIMIT 1)").format(
                sql.Identifier(parent), two.theirs
            )
            crossing = sql.SQL("UPDATE {} SET {} = {} WHERE workspace_id = {}").format(
                sql.Identifier(table), sql.Identifier(column), foreign, two.ours
            )
            with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
                connection.execute(crossing)


def test_the_same_bytes_in_another_workspace_are_no_conflict(two):
    """A unique key across workspaces would tell us what others have uploaded."""
    with two.database.pipeline(two.ours) as ours, two.database.pipeline(two.theirs) as theirs:
        assert ours.query(Upload.source_sha256).all() == theirs.query(Upload.source_sha256).all()


def test_without_a_workspace_every_table_refuses(two, tables):
    for table in tables:
        with pytest.raises(ProgrammingError) as refused, two.database.across() as session:
            session.execute(text(f"SELECT * FROM {table}"))
        assert refused.value.orig.sqlstate == DENIED, table


def test_a_pooled_connection_forgets_the_workspace(two, shared_url):
    def backend(session):
        return session.execute(text("SELECT pg_backend_pid()")).scalar_one()

    with Database.open(Settings(database_url=SecretStr(shared_url))) as database:
        with database.pipeline(two.ours) as session:
            used = backend(session)
            assert session.query(Upload).count() == 1
        with database.across() as session:
            assert backend(session) == used
            with pytest.raises(ProgrammingError, match="no workspace is bound"):
                session.query(Upload).count()
            session.rollback()
        with database.pipeline(uuid4()) as session:
            assert backend(session) == used
            assert session.query(Upload).count() == 0


def test_undoing_a_savepoint_keeps_the_workspace(two):
    with two.database.pipeline(two.ours) as session:
        session.begin_nested().rollback()
        assert session.query(Upload).count() == 1


def test_a_workspace_that_is_no_uuid_is_refused(two):
    with (
        pytest.raises(Exception, match="invalid input syntax for type uuid"),
        two.database.pipeline("x' OR true --") as session,
    ):
        session.query(Upload).count()
