"""A slice of what `make fuzz` does: every operation, asked by everybody, with values that nobody chose."""

import json

import psycopg
import pytest
from api_fuzz import PEOPLE, fuzz, make_world
from live_server import serving

pytestmark = pytest.mark.slow

SEED = 20261121


def test_no_request_brings_a_server_error_or_an_answer_that_the_document_does_not_promise(api_settings, shared_url):
    with serving(api_settings) as (address, app), psycopg.connect(shared_url, autocommit=True) as connection:
        world = make_world(f"http://{address}", connection, app.state.storage())
        document = json.loads(json.dumps(app.state.document()))
        found = fuzz(world, document, requests=1, seed=SEED, phases=("fuzzing",))
    assert found.failures == {}
    assert {person for _, person, _ in found.statuses} == set(PEOPLE)
    # Some answers can only be had with a secret that was mailed, or a film that was put.
    assert len(found.never_answered()) <= 0.5 * len({operation for operation, _, _ in found.statuses})
