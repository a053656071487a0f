"""`cliply alerts`: what is wrong now, also where the daemon that would say so is dead."""

import msgspec
from rich.console import Console

from cliply_assets.cli.exits import Exit
from cliply_assets.cli.session import open_database
from cliply_assets.housekeeping.alerts import Facts, alerts_for, news
from cliply_assets.housekeeping.facts import find_facts
from cliply_assets.runs import open_instance
from cliply_resources.errors import CliplyError
from cliply_resources.notify import Alert, open_notifier
from cliply_resources.settings import Settings

__all__ = ["print_alerts", "send_test"]


def print_alerts(settings: Settings, *, send: bool, as_json: bool) -> Exit:
    """Prints what is wrong, and with `send` tells it by the channels that are configured."""
    facts = _facts(settings)
    found = alerts_for(facts)
    if send:
        notifier = open_notifier(settings)
        for alert in news(found, notifier.firing(), facts):
            notifier.notify(alert)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({"alerts": found, "facts": facts}), indent=2).decode())
    else:
        console = Console()
        for alert in found:
            color = "red" if alert.severity == "page" else "yellow"
            console.print(f"[{color}]{alert.name}[/]  {alert.summary}\n  {alert.remedy}", highlight=False)
        if not found:
            console.print("Nothing is wrong.")
    return Exit.STEP_FAILED if found else Exit.DONE


def _facts(settings: Settings) -> Facts:
    try:
        with open_database(settings) as database, open_instance(settings) as instance:
            return find_facts(settings, database, instance)
    except CliplyError as failure:
        return Facts(database=str(failure))


def send_test(settings: Settings) -> Exit:
    """One alert by every channel, told as over at once."""
    notifier = open_notifier(settings)
    alert = Alert(name="CliplyTest", severity="page", summary="This is a test; nothing is wrong.", remedy="No action.")
    told = notifier.notify(alert)
    notifier.notify(msgspec.structs.replace(alert, over=True))
    console = Console()
    for each in told:
        console.print(f"{each.channel}  {each.outcome}  {each.says}".rstrip(), highlight=False)
    return Exit.DONE if all(each.outcome in {"sent", "known"} for each in told) else Exit.UPSTREAM
