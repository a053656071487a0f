"""`python -m cliply_assets.instance.warm …`: the code server, see `code_server`.

A file of its own, so that forked runs find the classes of `code_server` under that module's name and not under `__main__`.
"""

from cliply_assets.instance.code_server import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
