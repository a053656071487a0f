"""What a browser sees when it comes back from a platform."""

import html
from collections.abc import Callable

from cliply_api.accounts.connecting import SignIn, with_answer
from cliply_api.accounts.schemas import AccountView
from cliply_api.web.responses import ApiResponse
from cliply_resources.errors import CliplyError

__all__ = ["answer"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
STYLE = """
body{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.2rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem}
@media(prefers-color-scheme:dark){body{background:#14161a;color:#e6e8eb}}
"""


def answer(spend: Callable[[], SignIn], finish: Callable[[SignIn], tuple[AccountView, ...]]) -> ApiResponse[bytes]:
    """Back to where it was begun, or a small page that says how it went."""
    back: str | None = None
    try:
        sign_in = spend()
        back = sign_in.return_url
        accounts = finish(sign_in)
    except CliplyError as error:
        # Our own sentences only; what nobody foresaw becomes the usual error.
        if back is not None:
            return _sent(with_answer(back, connect_error=str(error)))
        return _page("Not connected", str(error), 400)
    if back is not None:
        return _sent(with_answer(back, connected=",".join(str(one.id) for one in accounts)))
    names = ", ".join(one.name for one in accounts)
    return _page("Connected", f"{names} can be published to now. You can close this page.", 200)


def _sent(address: str) -> ApiResponse[bytes]:
    headers = {"Location": address, "Content-Security-Policy": POLICY}
    return ApiResponse(b"", status_code=303, headers=headers, media_type="text/html")


def _page(title: str, sentence: str, status: int) -> ApiResponse[bytes]:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)} · Cliply</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<p>{html.escape(sentence)}</p></html>"
    )
    headers = {"Content-Security-Policy": POLICY}
    return ApiResponse(text.encode(), status_code=status, headers=headers, media_type="text/html")
