"""What the fork server imports once, so that no step has to."""

import cliply_assets.definitions
from cliply_assets.instance.lifeline import end_with_parent

__all__ = ["cliply_assets"]

end_with_parent()
