"""Why a download did not happen, from what yt-dlp says about it. Pure."""

import re

from cliply_resources.errors import CallerError, CliplyError, MediaError, Rejected, StepFailed, TryLater
from cliply_resources.media_tools.download_guard import REFUSED_ADDRESS, REFUSED_PROGRAM

__all__ = ["refusal_from"]

MAX_QUOTE = 300
"""Characters of the site's own words; the whole log goes into `detail`."""

_HERE = r"No space left on device|Disk quota exceeded|Errno 28\b|Errno 122\b"
_TOO_LARGE = r"File too large|Errno 27\b|larger than max-filesize"
_UNSUPPORTED = (
    r"Unsupported URL|No suitable extractor|is not a valid URL|file:// URLs are disabled|Unsupported protocol"
)
_GONE = (
    r"private|has been removed|been deleted|been terminated|unavailable|not available|no longer available|does not exist"
    r"|members[- ]only|join this channel|premium|purchase|\brent(?:al)?\b|requires payment|copyright|DRM|geo[- ]?restrict"
    r"|in your (?:country|location)|confirm your age|age[- ]restrict|log ?in|logged[- ]in|account (?:cookies|credentials)|--cookies"
    r"|password|HTTP Error (?:401|402|404|410|451)|No video formats|not found|no video (?:could be )?found|is not currently live|will begin"
)
_ROBOT = r"not a bot|HTTP Error 403|captcha|Cloudflare"
# "Service Unavailable" must not read as an unavailable video, so what surely passes is looked for first.
_BUSY_FOR_SURE = r"HTTP Error (?:408|425|429|5\d\d)|Too Many Requests|rate[- ]?limit"
_BUSY = (
    r"timed out|Timeout|name resolution"
    r"|getaddrinfo failed|Name or service not known|No address associated|Connection (?:reset|refused|aborted)|establish a new connection"
    r"|Remote end closed|IncompleteRead|more expected|Broken pipe|unreachable|SSL|EOF occurred|giving up|Did not get any data"
    r"|Unable to (?:download|connect)|fragment"
)


def refusal_from(log: str, *, host: str, returncode: int) -> CliplyError:
    """The typed error, whole sentences included, for a yt-dlp run that brought no video.

    The errors that yt-dlp names are looked at, the first kind that fits counts; what this machine's own walls refused
    comes before what a site may have to say.
    """
    # Only what begins a line counts: a carriage return within one is how yt-dlp overwrites its own progress.
    lines = [line.replace("\r", " ") for line in log.split("\n") if line.strip()]
    # Where yt-dlp itself broke down, the reason is the last line of its traceback.
    errors = "\n".join(line for line in lines if line.startswith("ERROR")) or "".join(lines[-1:])
    quote = _quote(errors)
    said = f" It said: {quote}" if quote else ""
    busy = TryLater(f"{host} did not deliver the video for now.{said} Try again later.")
    kinds: tuple[tuple[str, str, CliplyError], ...] = (
        (
            REFUSED_ADDRESS,
            log,
            CallerError(f"The URL at {host} leads to an address that is not public, so Cliply did not go there."),
        ),
        (
            rf"{REFUSED_PROGRAM}|Unsupported url scheme",
            log,
            MediaError(
                f"{host} offers this video only in a form that Cliply does not download. Upload the file instead."
            ),
        ),
        (_HERE, errors, StepFailed("The disk is full. Free some space and try the download again.", detail=log)),
        (_TOO_LARGE, errors, MediaError(f"The video at {host} is larger than the limit. Choose a smaller one.")),
        (
            _UNSUPPORTED,
            errors,
            CallerError(
                f"The URL at {host} is not the page of a single video that Cliply can download. Give that page's URL."
            ),
        ),
        (_BUSY_FOR_SURE, errors, busy),
        (
            _ROBOT,
            errors,
            Rejected(
                f"{host} does not let this server download.{said} Download the video yourself and upload the file."
            ),
        ),
        (
            _GONE,
            errors,
            MediaError(f"{host} does not give this video to everybody.{said} Make it public, or upload the file."),
        ),
        (_BUSY, errors, busy),
    )
    for pattern, text, refusal in kinds:
        if re.search(pattern, text, re.IGNORECASE):
            return refusal
    return StepFailed(f"The video at {host} could not be downloaded (code {returncode}).{said}", detail=log)


def _quote(errors: str) -> str:
    """The first error in the site's words, without yt-dlp's advice to its own users, which helps nobody here."""
    first = errors.partition("\n")[0].removeprefix("ERROR:").strip()
    first = re.sub(r"\(caused by .*", "", first)
    first = re.split(r"\s*(?:;|\.)\s+(?:please report|Use --|See  ?https|Confirm you are|Also see)", first, maxsplit=1)[
        0
    ]
    plain = "".join(c if c.isprintable() else " " for c in first)
    shown = " ".join(plain.split())[:MAX_QUOTE].rstrip(" .;")
    return f"{shown}." if shown else ""
