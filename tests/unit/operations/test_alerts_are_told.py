"""Every alert fires, arrives, is told once, and gives no secret away."""

import json
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from cliply_assets.housekeeping.alerts import ALERTS, Facts, alerts_for, news
from cliply_resources.errors import CallerError
from cliply_resources.notify import Alert, LocalChannel, Notifier, SlackChannel, open_notifier, scrub
from cliply_resources.settings import Settings

FINE = Facts(
    heartbeats={"SENSOR": 20.0, "SCHEDULER": 20.0, "QUEUED_RUN_COORDINATOR": 20.0, "MONITORING": 20.0},
    ticks={"new_uploads": 3.0},
    runs_ended=20,
    runs_failed=1,
    disk_free=10**11,
    disk_wanted=10**9,
)

WRONG: dict[str, dict[str, object]] = {
    "CliplyDatabaseUnreachable": {"database": "It cannot be reached."},
    "CliplyStorageUnreachable": {"storage": "The object store is busy."},
    "CliplyDaemonSilent": {"heartbeats": {**FINE.heartbeats, "SENSOR": 600.0}},
    "CliplySensorsLag": {"ticks": {"new_uploads": 500.0}},
    "CliplyUploadsWait": {"upload_wait": 3600.0},
    "CliplyRunsFail": {"runs_failed": 10},
    "CliplyDeadLettersGrow": {"dead_letters": 5, "dead_letters_lately": 2},
    "CliplyStuckSteps": {"stuck_steps": 1},
    "CliplyDiskLow": {"disk_free": 10**8},
    "CliplyToolUnhealthy": {"unhealthy_tools": ("yt-dlp: it is 90 days old.",)},
    "CliplyAccountsToReconnect": {"accounts_to_reconnect": 3},
}


def facts(name: str) -> Facts:
    return msgspec.structs.replace(FINE, **WRONG[name])


def settings_for(tmp_path: Path, **more: object) -> Settings:
    return Settings(home=tmp_path, **more)


def test_nothing_is_wrong_with_what_is_fine() -> None:
    assert alerts_for(FINE) == alerts_for(Facts()) == []


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_reaches_slack_mail_and_the_telephone(name: str, tmp_path: Path, web, mails) -> None:
    smtp, taken = mails
    configured = settings_for(
        tmp_path,
        slack_webhook_url=SecretStr(f"{web.url}/services/T1/B1/secretpath"),
        slack_hosts=("127.0.0.1",),
        smtp_url=SecretStr(smtp),
        alert_mail_to=("ops@example.com",),
        sms_url=f"{web.url}/Messages.json",
        sms_user="AC1",
        sms_password=SecretStr("pw"),
        sms_to=("+491701234567",),
    )
    notifier = open_notifier(configured)
    (alert,) = alerts_for(facts(name))
    assert alert.name == name
    told = notifier.notify(alert)
    assert {each.outcome for each in told} == {"sent"}
    slack = next(asked for asked in web.requests if "blocks" in asked)
    assert name in slack["text"]
    assert slack["unfurl_links"] is False
    (mail,) = taken
    assert name in mail["subject"]
    assert "docs/operations.md" in mail.get_content()
    texts = [asked for asked in web.requests if "Body" in asked]
    assert len(texts) == (alert.severity == "page")
    assert all(asked["authorization"] == "Basic QUMxOnB3" and name in asked["Body"] for asked in texts)
    (line,) = (tmp_path / "alerts" / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == name


def test_an_alert_that_lasts_is_told_once_and_again_after_hours_and_once_when_it_is_over(tmp_path: Path, web) -> None:
    notifier = Notifier([SlackChannel(f"{web.url}/x", ["127.0.0.1"])], tmp_path / "told", repeat_seconds=100)
    alert = Alert(name="CliplyDiskLow", summary="low")

    def outcome(at: float, *, over: bool = False) -> str:
        return notifier.notify(msgspec.structs.replace(alert, over=over), now=at)[0].outcome

    begun = 4e9
    assert [outcome(begun), outcome(begun + 1), outcome(begun + 101)] == ["sent", "known", "sent"]
    assert notifier.firing() == {"CliplyDiskLow"}
    assert [outcome(begun + 102, over=True), outcome(begun + 103, over=True)] == ["sent", "known"]
    assert outcome(begun + 104) == "sent"
    assert "is over" in web.requests[2]["blocks"][0]["text"]["text"]


def test_a_channel_out_of_reach_is_told_later_and_does_not_stop_the_others(tmp_path: Path, web) -> None:
    web.answers = [(503, "rollup_error"), (429, "later"), (404, "no_service")]
    slack = SlackChannel(f"{web.url}/x", ["127.0.0.1"])
    notifier = Notifier([slack, LocalChannel(tmp_path / "log")], tmp_path / "told")
    alert = Alert(name="CliplyDiskLow", summary="low")
    outcomes = [[told.outcome for told in notifier.notify(alert)] for _ in range(4)]
    assert outcomes == [["later", "sent"], ["later", "known"], ["refused", "known"], ["sent", "known"]]


def test_a_storm_is_cut_off_and_two_notifiers_share_what_they_told(tmp_path: Path, web) -> None:
    def notifier() -> Notifier:
        return Notifier([SlackChannel(f"{web.url}/x", ["127.0.0.1"])], tmp_path / "told", most_per_hour=3)

    told = [notifier().notify(Alert(name="A", about=str(n), summary="s"))[0].outcome for n in range(5)]
    assert told == ["sent"] * 3 + ["held_back"] * 2
    assert len(web.requests) == 3
    assert notifier().would_tell(Alert(name="A", about="9", summary="s"))
    assert not notifier().would_tell(Alert(name="A", about="1", summary="s"))


def test_what_cannot_be_written_whole_is_read_as_nothing(tmp_path: Path, web) -> None:
    (tmp_path / "told").write_text('{"told": {"sl')
    notifier = Notifier([SlackChannel(f"{web.url}/x", ["127.0.0.1"])], tmp_path / "told")
    assert notifier.notify(Alert(name="A", summary="s"))[0].outcome == "sent"


@pytest.mark.parametrize(
    "secret",
    [
        "https://hooks.slack.com/services/T0/B0/abcSECRET",
        "postgresql://cliply:SECRET@db/cliply",
        "Authorization: Bearer SECRETtoken",
        "password=SECRET",
        '{"access_token": "SECRET"}',
        "cliply_pk_SECRETSECRETSECRETSECRET1",
        "eyJSECRET.eyJabc.sig",
        "https://s3/x?X-Amz-Signature=SECRET",
    ],
)
def test_no_secret_leaves_with_an_alert(secret: str, tmp_path: Path, web, mails) -> None:
    assert "SECRET" not in scrub(f"It failed: {secret} was refused.")
    assert scrub(f"It failed: {secret} was refused.").startswith("It failed: ")
    notifier = Notifier(
        [SlackChannel(f"{web.url}/x", ["127.0.0.1"]), LocalChannel(tmp_path / "log")], tmp_path / "told"
    )
    notifier.notify(Alert(name="A", summary=f"It failed: {secret}", remedy=secret))
    assert "SECRET" not in json.dumps(web.requests) + (tmp_path / "log").read_text() + (tmp_path / "told").read_text()


def test_a_word_about_a_secret_is_not_one() -> None:
    assert scrub("The token was refused; the password is wrong.") == "The token was refused; the password is wrong."


def test_a_users_markup_is_text_to_slack_and_a_long_alert_fits(tmp_path: Path, web) -> None:
    notifier = Notifier([SlackChannel(f"{web.url}/x", ["127.0.0.1"])], tmp_path / "told")
    assert notifier.notify(Alert(name="A", summary="<!channel> & <https://x|y>" + "ä" * 5000))[0].outcome == "sent"
    assert "&lt;!channel&gt; &amp;" in web.requests[0]["blocks"][1]["text"]["text"]


def test_a_webhook_that_leads_elsewhere_and_half_an_sms_gateway_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"hooks\.slack\.com"):
        open_notifier(settings_for(tmp_path, slack_webhook_url=SecretStr("https://hooks.slack.com.evil.example/x")))
    with pytest.raises(CallerError, match="CLIPLY_SMS_TO"):
        open_notifier(settings_for(tmp_path, sms_url="https://sms.example/x"))


def test_what_was_told_and_is_no_longer_wrong_is_over_unless_nothing_can_be_found_out() -> None:
    (alert,) = alerts_for(facts("CliplyDaemonSilent"))
    (over,) = news([], {alert.key}, FINE)
    assert (over.key, over.over) == ("CliplyDaemonSilent:SENSOR", True)
    assert news([alert], {alert.key}, FINE) == [alert]
    away = facts("CliplyDatabaseUnreachable")
    assert [found.name for found in news(alerts_for(away), {alert.key}, away)] == ["CliplyDatabaseUnreachable"]
