"""`python -m cliply_assets.instance.leashed MODULE ARGUMENT…`: runs a module as `python -m` would, for its parent's lifetime.

A stack whose supervisor was killed would otherwise go on without anybody to stop it, and hold on to its ports.
"""

import runpy
import sys

from cliply_assets.instance.lifeline import end_with_parent

__all__: list[str] = []

if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
