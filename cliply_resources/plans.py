"""What a workspace's plan allows: how many uploads are worked on at once, and how many may wait. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PLANS", "STANDARD", "Plan", "plan_of"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One plan's numbers."""

    name: str
    at_once: int
    """Uploads worked on at once; what is beyond waits, and says at which place."""
    most_open: int
    """Uploads that are not finished, waiting ones included; beyond, no more are taken."""
    priority: int
    """Between uploads whose turn it is at the same time, the higher goes first."""


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(name="free", at_once=1, most_open=20, priority=0),
        Plan(name="standard", at_once=2, most_open=500, priority=1),
        Plan(name="business", at_once=4, most_open=5000, priority=2),
    )
}
STANDARD = PLANS["standard"]


def plan_of(name: str) -> Plan:
    """The plan of that name; a name that this version does not know is `standard`."""
    return PLANS.get(name, STANDARD)
