"""How often LinkedIn's posts were seen; members and organisations are asked in different places."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from cliply_resources.platforms.documents import Metrics

__all__ = ["member_metrics", "organization_metrics"]

Ask = Callable[[str], dict[str, Any]]
"""A path, and what was answered."""

_MEMBER = {
    "views": "IMPRESSION",
    "reach": "MEMBERS_REACHED",
    "shares": "RESHARE",
    "likes": "REACTION",
    "comments": "COMMENT",
}
"""LinkedIn answers one of these a request."""


def organization_metrics(remote_ids: Sequence[str], organization: str, ask: Ask) -> tuple[Metrics, ...]:
    """Impressions count as views. Posts that LinkedIn leaves out are left out."""
    counted: list[Metrics] = []
    for kind, parameter, field in (("share", "shares", "share"), ("ugcPost", "ugcPosts", "ugcPost")):
        urns = [urn for urn in remote_ids if f":{kind}:" in urn]
        if not urns:
            continue
        listed = ",".join(quote(urn, safe="") for urn in urns)
        path = (
            "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
            f"&organizationalEntity={quote(organization, safe='')}&{parameter}=List({listed})"
        )
        for element in ask(path).get("elements") or ():
            told = element.get("totalShareStatistics") or {}
            counted.append(
                Metrics(
                    remote_id=str(element[field]),
                    views=told.get("impressionCount"),
                    reach=told.get("uniqueImpressionsCount"),
                    likes=told.get("likeCount"),
                    comments=told.get("commentCount"),
                    shares=told.get("shareCount"),
                    extra={"clicks": float(told["clickCount"])} if "clickCount" in told else {},
                )
            )
    return tuple(counted)


def member_metrics(remote_ids: Sequence[str], ask: Ask) -> tuple[Metrics, ...]:
    """Five requests a post."""
    return tuple(_of_member(urn, ask) for urn in remote_ids)


def _of_member(urn: str, ask: Ask) -> Metrics:
    counts = {field: _count(ask(_path(urn, query))) for field, query in _MEMBER.items()}
    return msgspec.convert({"remote_id": urn, **counts}, Metrics)


def _path(urn: str, query: str) -> str:
    kind = "share" if ":share:" in urn else "ugc"
    entity = f"({kind}:{quote(urn, safe='')})"
    return f"/rest/memberCreatorPostAnalytics?q=entity&entity={entity}&queryType={query}&aggregation=TOTAL"


def _count(found: dict[str, Any]) -> int | None:
    elements = found.get("elements") or ()
    return int(elements[0]["count"]) if elements and "count" in elements[0] else None
