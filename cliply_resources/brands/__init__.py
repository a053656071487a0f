"""Files of a brand kit: checked, rewritten and measured, so that what reaches a render is only ever what we wrote.

prepared = prepare_file("font", path, folder, settings)     # a child process reads the stranger's file
"""

from cliply_resources.brands.colours import contrast_warnings
from cliply_resources.brands.prepare import KINDS, FileKind, PreparedFile, part_of_kit, prepare_file

__all__ = ["KINDS", "FileKind", "PreparedFile", "contrast_warnings", "part_of_kit", "prepare_file"]
