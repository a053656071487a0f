"""Google's client library over Cliply's own HTTP: its method names and parameter checks, our deadlines, addresses and errors."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from cliply_resources.platforms.wire import Answer, send

__all__ = ["GoogleError", "google_call"]


class GoogleError(Exception):
    """The library refused an answer; `answer` is all of it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"Google answered {answer.status}")
        self.answer = answer


class _Wire:
    """What the library takes for its `httplib2.Http`."""

    def __init__(self, token: str, timeout: float) -> None:
        self._token = token
        self._timeout = timeout

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> tuple[Any, bytes]:
        import httplib2

        sent = {name.lower(): value for name, value in (headers or {}).items()}
        # Ours says how long the body is, and answers are not compressed twice.
        for name in ("content-length", "accept-encoding", "user-agent"):
            sent.pop(name, None)
        sent["authorization"] = f"Bearer {self._token}"
        content = body.encode() if isinstance(body, str) else body
        answer = send(method, uri, platform="YouTube", headers=sent, body=content, timeout=self._timeout)
        return httplib2.Response({**answer.headers, "status": str(answer.status)}), answer.body

    def close(self) -> None:
        return


@lru_cache(maxsize=2)
def _document(name: str) -> dict[str, Any]:
    from googleapiclient.discovery_cache import documents

    folder = Path(next(iter(documents.__path__)))
    read: dict[str, Any] = msgspec.json.decode((folder / name).read_bytes())
    return read


def google_call(
    document: str, base: str, token: str, path: str, *, timeout: float, **parameters: Any
) -> dict[str, Any]:
    """Calls `path` (such as `videos.list`) of the library's bundled description, at `base`; what it answered.

    Raises:
        GoogleError: the answer is an error.
        PlatformTrouble: no whole answer came.
    """
    from googleapiclient.discovery import build_from_document
    from googleapiclient.errors import HttpError

    root = base.rstrip("/") + "/"
    described = {**_document(document), "rootUrl": root, "baseUrl": root, "mtlsRootUrl": root}
    resource = build_from_document(described, http=_Wire(token, timeout))
    *rooms, method = path.split(".")
    for room in rooms:
        resource = getattr(resource, room)()
    try:
        found = getattr(resource, method)(**parameters).execute(num_retries=0)
    except HttpError as error:
        headers = {str(name).lower(): str(value) for name, value in error.resp.items()}
        raise GoogleError(Answer(status=int(error.resp.status), headers=headers, body=error.content)) from error
    return found if isinstance(found, dict) else {}
