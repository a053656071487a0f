"""Every platform is connected over HTTP by its own page, as its simulator shows it."""

from contextlib import ExitStack

import pytest
from api_people import relaxed, sign_up
from simulated_platforms import OUR_URL, come_back, settings_of, simulated

NAMES = ("youtube", "x", "linkedin", "instagram", "tiktok")


@pytest.fixture(scope="module")
def platforms():
    with ExitStack() as stack:
        yield {name: stack.enter_context(simulated(name)) for name in NAMES}


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory, platforms):
    where = {key: value for name in NAMES for key, value in settings_of(name, platforms[name]).items()}
    return relaxed(shared_url, tmp_path_factory.mktemp("home"), public_url=OUR_URL, connects_per_hour=10_000, **where)


@pytest.mark.parametrize("name", NAMES)
def test_an_account_is_connected_asked_and_disconnected(client, platforms, name):
    client.cookies.clear()
    ann = sign_up(client, name)
    told = {one["name"]: one for one in ann("GET", "/api/accounts/platforms").json()["data"]}
    assert told[name]["configured"], told[name]["missing"]
    begun = ann("POST", "/api/accounts/connect", json={"platform": name})
    assert begun.status_code == 200, begun.text
    back = client.get(come_back(begun.json()["authorize_url"]))
    assert back.status_code == 200, back.text
    accounts = ann("GET", "/api/accounts").json()["data"]
    assert accounts
    for account in accounts:
        assert (account["platform"], account["health"], account["health_reason"]) == (name, "ok", None)
        assert account["name"]
    path = f"/api/accounts/{accounts[0]['id']}"
    limits = ann("GET", f"{path}/limits")
    assert limits.status_code == 200, limits.text
    gone = ann("POST", f"{path}/disconnect")
    assert gone.status_code == 200, gone.text
    assert gone.json()["account"]["health"] == "disconnected"
    said = "\n".join([back.text, limits.text, gone.text, str(accounts)])
    assert [token for token in platforms[name].tokens if token in said] == []
