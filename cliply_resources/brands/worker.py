"""The child process that opens a stranger's picture or font, and prints one JSON answer.

python -m cliply_resources.brands.worker picture|font SOURCE TARGET
"""

import sys
from pathlib import Path

import msgspec

from cliply_resources.brands.fonts import rewrite_font
from cliply_resources.brands.pictures import rewrite_picture
from cliply_resources.errors import MediaError

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Prints the facts, or the sentence that refuses the file; only a defect of Cliply itself ends in a traceback."""
    kind, source, target = arguments[0], Path(arguments[1]), Path(arguments[2])
    try:
        facts = rewrite_font(source, target) if kind == "font" else rewrite_picture(source, target)
        answer = {"facts": msgspec.to_builtins(facts)}
    except MediaError as refusal:
        answer = {"refused": str(refusal)}
    except (MemoryError, RecursionError):
        answer = {"refused": "The file needs more memory than such a file may; it is damaged or hostile."}
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
