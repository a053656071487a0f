"""Prints the OpenAPI document: `python -m cliply_api.openapi > openapi.json`. Needs no database."""

import json
import sys

from cliply_api.app import create_app
from cliply_resources.settings import Settings

__all__ = ["main"]


def main() -> None:
    """Writes the document to standard output, the same bytes for the same code."""
    sys.stdout.write(
        json.dumps(create_app(Settings()).state.document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    main()
