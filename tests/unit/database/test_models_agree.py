"""The Python models and the migrated database describe the same tables."""

import pytest
from sqlalchemy import UniqueConstraint, create_engine, inspect
from sqlalchemy.dialects import postgresql

from cliply_resources.database import Base

TABLES = sorted(Base.metadata.tables)
DIALECT = postgresql.dialect()


@pytest.fixture(scope="module")
def catalogue(shared_url):
    engine = create_engine(shared_url.replace("postgresql://", "postgresql+psycopg://"))
    yield inspect(engine)
    engine.dispose()


def normal(type_):
    return type_.compile(dialect=DIALECT)


def deletion(rule):
    """SQLAlchemy reads `SET NULL (column)` back without the column."""
    return (rule or "").split(" (")[0]


def test_there_is_a_model_for_every_table(catalogue):
    assert set(catalogue.get_table_names()) - {"schema_migrations"} == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_columns_agree_in_order_type_and_nullability(catalogue, table):
    found = [
        (c["name"], normal(c["type"]), c["nullable"], c["default"] is not None) for c in catalogue.get_columns(table)
    ]
    ours = Base.metadata.tables[table].columns
    assert [(c.name, normal(c.type), c.nullable, c.server_default is not None) for c in ours] == found


@pytest.mark.parametrize("table", TABLES)
def test_primary_keys_agree(catalogue, table):
    ours = [column.name for column in Base.metadata.tables[table].primary_key.columns]
    assert ours == catalogue.get_pk_constraint(table)["constrained_columns"]


@pytest.mark.parametrize("table", TABLES)
def test_references_agree(catalogue, table):
    found = {
        (
            tuple(f["constrained_columns"]),
            f["referred_table"],
            tuple(f["referred_columns"]),
            deletion(f["options"].get("ondelete")),
        )
        for f in catalogue.get_foreign_keys(table)
    }
    ours = {
        (tuple(f.column_keys), f.referred_table.name, tuple(e.column.name for e in f.elements), deletion(f.ondelete))
        for f in Base.metadata.tables[table].foreign_key_constraints
    }
    assert ours == found


@pytest.mark.parametrize("table", TABLES)
def test_unique_constraints_and_indexes_agree(catalogue, table):
    constraints = {tuple(u["column_names"]) for u in catalogue.get_unique_constraints(table)}
    ours = Base.metadata.tables[table]
    assert {tuple(c.columns.keys()) for c in ours.constraints if isinstance(c, UniqueConstraint)} == constraints
    found = {
        (i["name"], tuple(i["column_names"]))
        for i in catalogue.get_indexes(table)
        if i["unique"] and "duplicates_constraint" not in i
    }
    assert {(i.name, tuple(i.columns.keys())) for i in ours.indexes if i.unique} == found
