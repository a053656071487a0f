"""The browser's cookies: `__Host-` ones, which no other host and no unencrypted page can set or read."""

from typing import Any

from litestar.datastructures import Cookie

from cliply_api.auth.middleware import COOKIE, CSRF_COOKIE
from cliply_api.auth.secrets import csrf_token

__all__ = ["clearing_cookies", "session_cookies"]


def session_cookies(secret: str, seconds: int) -> list[Cookie]:
    """The session, out of reach of scripts, and beside it the CSRF token, which scripts send back."""
    return [
        _cookie(COOKIE, secret, seconds, httponly=True),
        _cookie(CSRF_COOKIE, csrf_token(secret), seconds, httponly=False),
    ]


def clearing_cookies() -> list[Cookie]:
    """Both are gone afterwards."""
    return [_cookie(COOKIE, "", 0, httponly=True), _cookie(CSRF_COOKIE, "", 0, httponly=False)]


def _cookie(name: str, value: str, seconds: int, *, httponly: bool) -> Cookie:
    options: dict[str, Any] = {"path": "/", "secure": True, "samesite": "strict", "httponly": httponly}
    return Cookie(key=name, value=value, max_age=seconds, **options)
