"""Untrusted text on its way into a prompt: a transcript, a title or a chapter may try to give the model orders.

Nothing here is a proof against that; it removes the cheap tricks and keeps the text inside its fence. What makes an injection
harmless is that a model's answer is validated and can only order, rate and word what was proposed already.
"""

import re
import unicodedata

__all__ = ["REMOVED", "fenced", "sanitise"]

REMOVED = "[removed]"

_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|do not follow|don't follow)\b[^.?!,;\n]{0,40}?"
    r"\b(?:previous|above|prior|earlier|preceding|all|any|your|these|the|system)\b[^.?!,;\n]{0,30}?"
    r"\b(?:instructions?|prompts?|context|rules?|directions?|guidelines?|messages?)\b"
    r"|\byou are (?:now|no longer) (?:an? |the )?[^.?!\n]{0,40}\b(?:assistant|model|ai|bot|dan|admin\w*)\b"
    r"|\b(?:new|updated|real|actual) (?:system )?(?:instructions?|prompt)\b\s*:?"
    r"|\b(?:reveal|print|repeat|show) (?:me )?(?:your|the) (?:system )?(?:prompt|instructions)\b"
    r"|\bgive (?:this|it|clip \w+) (?:a )?(?:score of |the (?:highest|maximum|top) score)",
    re.IGNORECASE,
)
_ROLES = re.compile(
    r"(?:^|(?<=[\n.!?]))\s*(?:#{1,4}\s*)?(?:system|assistant|developer|user|instructions?)\s*:", re.IGNORECASE
)
_CONTROL_TOKENS = re.compile(r"<\|[^|>\n]{0,40}\|>|\[/?(?:INST|SYS)\]|<</?SYS>>|</?s>|```+", re.IGNORECASE)


def sanitise(text: str, *, limit: int) -> str:
    """At most `limit` characters of plain text on one line: no control or invisible characters, no fences, no orders to a model."""
    text = unicodedata.normalize("NFKC", text[: 4 * limit])
    # Cc control, Cf invisible (zero width, direction marks, tags), Co and Cs private use and halves of pairs.
    kept = "".join(letter if unicodedata.category(letter) not in ("Cf", "Co", "Cs") else "" for letter in text)
    kept = "".join("\n" if unicodedata.category(letter) == "Cc" else letter for letter in kept)
    for pattern in (_CONTROL_TOKENS, _ORDERS, _ROLES):
        kept = pattern.sub(f" {REMOVED} ", kept)
    plain = " ".join(kept.replace("<", "‹").replace(">", "›").split())
    if len(plain) <= limit:
        return plain
    return plain[: max(0, limit - 2)].rsplit(" ", 1)[0] + " …" if limit > 2 else plain[:limit]


def fenced(label: str, text: str) -> str:
    """The text between two marks that it cannot contain itself, since `sanitise` leaves no angle brackets."""
    return f"<{label}>\n{text}\n</{label}>"
