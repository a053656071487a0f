"""LinkedIn's "little text": what has to be escaped so that it is shown as it was written."""

import re

__all__ = ["little_text"]

_RESERVED = re.compile(r"[\\|{}@\[\]()<>#*_~]")
_MEANT = re.compile(
    r"@\[(?P<name>[^\]\n]{1,200})\]\((?P<urn>urn:li:(?:organization|person):[\w-]+)\)"
    r"|(?<![\w#])#(?P<tag>\w*[^\W\d_]\w*)"
)
"""A mention of an organisation or a member, or a hashtag, which has a letter in it."""


def little_text(text: str) -> str:
    """The text with every reserved character escaped, hashtags and mentions kept; unescaped parentheses would cut it off."""
    out: list[str] = []
    end = 0
    for found in _MEANT.finditer(text):
        out.append(_escaped(text[end : found.start()]))
        if found["urn"]:
            out.append(f"@[{_escaped(found['name'])}]({found['urn']})")
        else:
            # An underscore inside a hashtag is reserved as well.
            out.append(f"#{_escaped(found['tag'])}")
        end = found.end()
    out.append(_escaped(text[end:]))
    return "".join(out)


def _escaped(text: str) -> str:
    return _RESERVED.sub(lambda found: f"\\{found[0]}", text)
