"""An event file that grows by whole records, whatever the disk does."""

import os
from pathlib import Path

__all__ = ["EventFile"]


class EventFile:
    """A file that is opened only for each addition, so it is readable up to its last record.

    If the disk is full, the written part of a record is cut off again, at once or before the next
    addition. Otherwise a reader would stop at the incomplete record for ever.

    Args:
        path: The file, which the first addition creates.
    """

    def __init__(self, path: Path):
        self.path = path
        self._size_bytes = 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was added yet."""
        return not self._size_bytes

    def add(self, records: bytes) -> None:
        """Add all records, or none of them.

        Raises:
            OSError: If the disk refuses them, or if the file is gone or shorter than it was.
        """
        try:
            with self.path.open("wb" if self.is_new else "r+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) < self._size_bytes:
                    raise OSError(f"{self.path} was truncated by another program")
                file.truncate(self._size_bytes)
                file.seek(self._size_bytes)
                left = memoryview(records)
                while left:
                    left = left[file.write(left) :]
        except OSError:
            self._cut_off()
            raise
        self._size_bytes += len(records)

    def _cut_off(self) -> None:
        try:
            if self.path.stat().st_size > self._size_bytes:
                os.truncate(self.path, self._size_bytes)
        except OSError:
            # The next addition cuts it off.
            pass
