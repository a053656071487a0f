"""The one table of who may do what. A role has its own permissions and those of every role before it.

A handler names the one permission it needs: `guards=[may("clip.edit")]`. API tokens are scoped by the same words.
"""

from typing import Literal, get_args

__all__ = ["READING", "ROLES", "Permission", "Role", "permissions_of", "table"]

Role = Literal["viewer", "editor", "admin", "owner"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most."""

Permission = Literal[
    "workspace.read",
    "member.read",
    "upload.read",
    "clip.read",
    "stream.read",
    "brand.read",
    "event.read",
    "search.read",
    "member.leave",
    "token.own",
    "upload.write",
    "upload.delete",
    "clip.edit",
    "clip.review",
    "clip.render",
    "clip.delete",
    "clip.comment",
    "stream.write",
    "brand.write",
    "post.read",
    "post.request",
    "account.read",
    "post.publish",
    "post.delete",
    "account.connect",
    "member.invite",
    "member.manage",
    "workspace.settings",
    "webhook.read",
    "webhook.manage",
    "token.manage",
    "audit.read",
    "usage.read",
    "billing.read",
    "billing.manage",
    "workspace.transfer",
    "workspace.delete",
]

ADDED: dict[Role, tuple[Permission, ...]] = {
    "viewer": (
        "workspace.read",
        "member.read",
        "member.leave",
        "upload.read",
        "clip.read",
        "stream.read",
        "brand.read",
        "event.read",
        "search.read",
        "token.own",
    ),
    "editor": (
        "upload.write",
        "upload.delete",
        "clip.edit",
        "clip.review",
        "clip.render",
        "clip.delete",
        "clip.comment",
        "stream.write",
        "brand.write",
        "post.read",
        "post.request",
        "account.read",
        "usage.read",
    ),
    "admin": (
        "post.publish",
        "post.delete",
        "account.connect",
        "member.invite",
        "member.manage",
        "workspace.settings",
        "webhook.read",
        "webhook.manage",
        "token.manage",
        "audit.read",
        "billing.read",
    ),
    "owner": ("billing.manage", "workspace.transfer", "workspace.delete"),
}

READING: frozenset[Permission] = frozenset(word for word in get_args(Permission) if word.endswith(".read"))
"""What a system admin who looks through somebody's eyes may do."""

_OF_ROLE: dict[str, frozenset[Permission]] = {
    role: frozenset(word for lower in ROLES[: place + 1] for word in ADDED[lower]) for place, role in enumerate(ROLES)
}


def permissions_of(role: str | None) -> frozenset[Permission]:
    """Everything the role may do; nothing without a role."""
    return _OF_ROLE.get(role or "", frozenset())


def table() -> dict[Permission, list[Role]]:
    """Every permission and the roles that have it; for documentation and tests."""
    return {word: [role for role in ROLES if word in _OF_ROLE[role]] for word in get_args(Permission)}
