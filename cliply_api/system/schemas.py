"""What the system area tells."""

from typing import Literal

from cliply_api.web.fields import View

__all__ = ["Check", "Health", "Readiness"]


class Health(View, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Check(View):
    """One thing that must work."""

    name: str
    ok: bool
    detail: str
    """What was found, and where it is wrong, what to do."""


class Readiness(View):
    """Whether requests can be served and uploads be worked on."""

    ready: bool
    checks: list[Check]
