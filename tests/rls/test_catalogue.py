"""What must hold for every table, function and role, read from the catalogue so that a new one cannot escape."""

import re
from pathlib import Path

import psycopg
import pytest

SERVING = {"cliply_api", "cliply_pipeline"}
OURS = "('public'::regnamespace, 'app'::regnamespace)"
SUMS = {
    "accounts_to_reconnect",
    "failed_uploads",
    "pipeline_gauges",
    "step_durations",
    "queue_lengths",
    "usual_run_seconds",
    "count_dead_letters",
}
"""Reviewed: they return numbers over all workspaces, beside names of steps and states that are ours, and nothing of a single one."""
TURNS = {"queue_facts"}
"""Reviewed: beside ids, what decides whose turn it is (plan, time and number), for the pipeline alone."""
SQL = Path(__file__).parents[2] / "sql"


@pytest.fixture(scope="module")
def ask(shared_url):
    with psycopg.connect(shared_url, autocommit=True) as connection:
        yield lambda query, *values: connection.execute(query, values).fetchall()


def test_there_are_tables_to_judge(tables):
    assert {"workspaces", "uploads", "upload_steps", "clips", "renders", "events"} <= set(tables)


def test_every_table_enforces_row_level_security_even_on_its_owner(ask, tables):
    lax = ask(
        f"SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN {OURS} "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    assert {name for (name,) in lax} == {"schema_migrations"}


def test_every_table_has_one_policy_that_binds_both_serving_roles_to_the_workspace(ask, tables):
    for table in tables:
        key = "id" if table == "workspaces" else "workspace_id"
        rule = f"({key} = ( SELECT app.workspace_id() AS workspace_id))"
        found = ask(
            "SELECT roles::text[], qual, with_check, cmd, permissive FROM pg_policies WHERE schemaname = 'public' AND tablename = %s "
            "AND roles && ARRAY['cliply_api', 'cliply_pipeline', 'public']::name[]",
            table,
        )
        assert [(set(roles), *rest) for roles, *rest in found] == [(SERVING, rule, rule, "ALL", "PERMISSIVE")], table


def test_all_other_policies_let_reviewed_functions_read_and_make_the_local_workspace(ask):
    found = ask(
        "SELECT tablename, cmd, roles::text[] FROM pg_policies WHERE NOT roles && ARRAY['cliply_api', 'cliply_pipeline']::name[] "
        "AND roles <> ARRAY['cliply_identity']::name[] ORDER BY tablename, cmd"
    )
    assert found == [
        ("account_readings", "SELECT", ["cliply_definer"]),
        ("accounts", "SELECT", ["cliply_definer"]),
        ("clips", "SELECT", ["cliply_definer"]),
        ("feed_subscriptions", "SELECT", ["cliply_definer"]),
        ("platform_events", "SELECT", ["cliply_definer"]),
        ("post_measures", "SELECT", ["cliply_definer"]),
        ("posts", "SELECT", ["cliply_definer"]),
        ("render_wishes", "SELECT", ["cliply_definer"]),
        ("storage_tallies", "SELECT", ["cliply_definer"]),
        ("upload_runs", "SELECT", ["cliply_definer"]),
        ("upload_steps", "SELECT", ["cliply_definer"]),
        ("uploads", "SELECT", ["cliply_definer"]),
        ("webhook_deliveries", "SELECT", ["cliply_definer"]),
        ("webhook_endpoints", "SELECT", ["cliply_definer"]),
        ("workspaces", "INSERT", ["cliply_definer"]),
        ("workspaces", "SELECT", ["cliply_definer"]),
    ]


def test_the_identity_role_keeps_accounts_and_the_few_reviewed_tables_and_nothing_else(
    ask, tables, identity_tables, shared_with_identity
):
    found = ask("SELECT tablename FROM pg_policies WHERE roles && ARRAY['cliply_identity', 'public']::name[]")
    assert sorted(name for (name,) in found) == sorted(identity_tables + shared_with_identity)
    for table in sorted(set(tables) - set(shared_with_identity)):
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            assert ask("SELECT has_table_privilege('cliply_identity', %s, %s)", table, right) == [(False,)], table


def test_no_role_that_serves_workspaces_reaches_accounts(ask, identity_tables):
    on_columns, on_tables = ("SELECT", "INSERT", "UPDATE", "REFERENCES"), ("DELETE", "TRUNCATE", "TRIGGER", "MAINTAIN")
    for role in [*SERVING, "cliply_definer"]:
        for table in identity_tables:
            for right in on_columns:
                assert ask("SELECT has_any_column_privilege(%s, %s, %s)", role, table, right) == [(False,)], (
                    role,
                    table,
                )
            for right in on_tables:
                assert ask("SELECT has_table_privilege(%s, %s, %s)", role, table, right) == [(False,)], (role, table)


def test_what_was_logged_is_not_rewritten(ask):
    for role in [*SERVING, "cliply_identity"]:
        for table in ("audit_log", "identity_log"):
            assert ask("SELECT has_any_column_privilege(%s, %s, 'UPDATE')", role, table) == [(False,)]


def test_every_policy_is_named_by_a_sentence(ask):
    assert [name for (name,) in ask("SELECT policyname FROM pg_policies") if len(name.split()) < 4] == []


def test_every_key_and_reference_leads_with_the_workspace(ask, tables):
    found = ask(
        "SELECT c.conrelid::regclass::text, c.conname, a.attname FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        f"WHERE c.contype IN ('p', 'u', 'f') AND c.connamespace IN {OURS}"
    )
    judged = [row for row in found if row[0] in tables]
    assert len(judged) >= 2 * len(tables) - 1
    assert sorted(row for row in judged if row[2] != "workspace_id") == [
        ("members", "members_user_id_fkey", "user_id"),  # a person may be a member of several
        ("workspaces", "workspaces_pkey", "id"),
    ]


def test_every_unique_index_leads_with_the_workspace(ask, tables):
    found = ask(
        "SELECT i.indrelid::regclass::text, a.attname FROM pg_index i "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indisunique"
    )
    assert [row for row in found if row[0] in tables and row[1] != "workspace_id"] == [("workspaces", "id")]


def test_every_reference_has_an_index_that_serves_it(ask, tables):
    found = ask(
        "SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c "
        f"WHERE c.contype = 'f' AND c.connamespace IN {OURS} AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid "
        "AND (SELECT array_agg(k) FROM unnest(i.indkey[0:cardinality(c.conkey) - 1]) k) @> c.conkey)"
    )
    assert found == []


def test_the_owner_owns_every_table_and_nobody_serving_owns_anything(ask, tables):
    owners = dict(
        ask(f"SELECT relname, relowner::regrole::text FROM pg_class WHERE relnamespace IN {OURS} AND relkind = 'r'")
    )
    assert {owners[table] for table in tables} == {"cliply_owner"}
    owned = ask(
        "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid::regrole::text = ANY(%s)",
        [*SERVING, "cliply_identity"],
    )
    assert owned == [(0,)]


def test_no_role_of_ours_can_bypass_anything_and_the_owner_cannot_log_in(ask):
    found = ask("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'cliply\\_%%' ORDER BY rolname")
    assert found == [
        ("cliply_api", True),
        ("cliply_dagster", True),
        ("cliply_definer", False),
        ("cliply_identity", True),
        ("cliply_owner", False),
        ("cliply_pipeline", True),
    ]
    mighty = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit"
    assert ask(f"SELECT rolname FROM pg_roles WHERE rolname LIKE 'cliply\\_%%' AND ({mighty})") == []
    assert ask("SELECT 1 FROM pg_auth_members WHERE member::regrole::text LIKE 'cliply\\_%%'") == []


def test_serving_roles_can_neither_truncate_nor_create_nor_lock_out(ask, tables):
    for role in SERVING:
        for table in tables:
            for right in ("TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"):
                assert ask("SELECT has_table_privilege(%s, %s, %s)", role, table, right) == [(False,)], (
                    role,
                    table,
                    right,
                )
        for schema in ("public", "app"):
            assert ask("SELECT has_schema_privilege(%s, %s, 'CREATE')", role, schema) == [(False,)]


def test_nothing_is_granted_to_everybody(ask, tables):
    for table in tables:
        granted = ask(
            "SELECT 1 FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_name = %s", table
        )
        assert granted == []
    open_to_all = ask(
        f"SELECT proname FROM pg_proc WHERE pronamespace IN {OURS} "
        "AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0))"
    )
    assert open_to_all == []


def test_views_ask_as_the_caller_and_nothing_is_materialized(ask):
    found = ask(
        f"SELECT relname FROM pg_class WHERE relnamespace IN {OURS} AND (relkind = 'm' OR "
        "(relkind = 'v' AND NOT coalesce(reloptions @> ARRAY['security_invoker=true'], false)))"
    )
    assert found == []


def test_every_function_pins_its_search_path(ask):
    found = ask(
        f"SELECT proname FROM pg_proc WHERE pronamespace IN {OURS} "
        "AND NOT coalesce(array_to_string(proconfig, ',') LIKE '%%search_path=pg_catalog, %%', false)"
    )
    assert found == []


def test_the_functions_that_span_workspaces_are_those_of_the_reviewed_files(ask):
    files = [path.read_text("utf-8") for path in SQL.glob("*_functions.sql")]
    made = r"^CREATE (?:OR REPLACE )?FUNCTION app\.(\w+)"
    reviewed = {name for text in files for name in re.findall(made, text, re.MULTILINE)}
    found = ask(
        "SELECT proname, proowner::regrole::text, array_to_string(proconfig, ','), "
        "coalesce((SELECT array_agg(t::regtype::text) FROM unnest(proallargtypes, proargmodes) AS x (t, m) WHERE m = 't'), "
        "ARRAY[prorettype::regtype::text]) FROM pg_proc WHERE prosecdef"
    )
    assert {name for name, *_ in found} == reviewed
    for name, owner, configuration, returned in found:
        assert (owner, configuration) == ("cliply_definer", "search_path=pg_catalog, pg_temp"), name
        if name not in SUMS | TURNS:
            assert set(returned) == {"uuid"}, f"{name} returns more than ids"


def test_no_other_file_makes_a_definer_function():
    others = [path.name for path in SQL.glob("*.sql") if not path.name.endswith("_functions.sql")]
    assert [name for name in others if "SECURITY DEFINER" in (SQL / name).read_text("utf-8")] == []


def test_reviewed_functions_can_read_ids_and_states_but_no_text_of_a_user(ask):
    found = ask(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges WHERE grantee = 'cliply_definer'"
    )
    readable = {column for _, column, right in found if right == "SELECT"}
    assert readable <= {
        "workspace_id", "id", "upload_id", "state", "created_at", "cancelled_at", "paused_at", "completed_at", "deleted_at",
        "confirmed_at", "incoming_until", "retry_at", "deadline_at", "due_at", "endpoint_id", "account_id", "wake_at", "refresh_at",
        "plan", "discarded_at", "attempt", "started_attempt", "number", "asked_at", "begun_at",
        "step", "started_at", "ended_at", "expired_at", "forgotten_at", "purged_at", "day", "objects", "bytes",
        "platform", "remote_id", "next_at", "parked_until", "import_next_at", "worker",
    }  # fmt: skip


def test_dagster_cannot_enter_our_database(ask, shared_url):
    # A copied test database does not carry the rights of its template, so the migration is asked and not the copy.
    assert "REVOKE ALL ON DATABASE %I FROM PUBLIC" in (SQL / "001_roles.sql").read_text("utf-8")
    assert ask("SELECT has_schema_privilege('cliply_dagster', 'public', 'USAGE')") == [(False,)]
