"""Webhooks that go out: signed as Standard Webhooks demands, retried for three days, delivered at least once.

`signing` is pure; `delivery` claims what is due, sends it, and notes what came of it.
"""

from cliply_resources.webhooks.delivery import Outcome, deliver_next, endpoints_due, webhook_policy
from cliply_resources.webhooks.signing import RETRY_SECONDS, new_signing_secret, retry_delay, sign, verify

__all__ = [
    "RETRY_SECONDS",
    "Outcome",
    "deliver_next",
    "endpoints_due",
    "new_signing_secret",
    "retry_delay",
    "sign",
    "verify",
    "webhook_policy",
]
