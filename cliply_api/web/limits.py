"""Limits inside of a handler's transaction; those before it are guards (`auth.guards.limit`)."""

import hashlib

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.errors import RateLimited

__all__ = ["take_for_mail", "take_within"]


def take_for_mail(identity: Session, address: str, per_hour: int) -> None:
    """One mail to this address, or `RateLimited`; the log of limits holds no address in clear."""
    bucket = f"mail:{hashlib.sha256(address.lower().encode()).hexdigest()[:32]}"
    take_within(identity, bucket, per_hour, 3600, "mails to this address")


def take_within(identity: Session, bucket: str, number: int, seconds: float, of_what: str) -> None:
    """Takes one of `number` that refill over `seconds`, given back when the transaction is undone."""
    wait = identity.scalar(
        sa.text("SELECT app.take(:bucket, :number, make_interval(secs => :seconds))"),
        {"bucket": bucket, "number": number, "seconds": seconds},
    )
    if wait:
        raise RateLimited(float(wait), of_what)
