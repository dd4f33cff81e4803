"""An unfinished file that one process writes at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

__all__ = ["opened_alone"]


@contextlib.contextmanager
def opened_alone(part: Path, whole: Path) -> Iterator[Any]:
    """An unfinished file to write, which gets its final name if the context ends without error.

    A second process or thread waits until the first is done. The lock ends with the process that
    holds it. Where the system or the disk has no locks, the file is opened at once.

    Args:
        part: Path of the unfinished file, made if missing.
        whole: Its path when it is complete.

    Yields:
        The file, or `None` if another process has completed it in the meantime.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_opened(part))
        while not _wait_for(file, part):
            if _is_same(file, whole):
                yield None
                return
            file = stack.enter_context(_opened(part))
        yield file
        if os.name == "nt":
            # Windows does not rename an open file.
            file.close()
        os.replace(part, whole)


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b", 0)


def _wait_for(file: IO[bytes], path: Path) -> bool:
    """Lock a file; whether it still has its name."""
    try:
        import fcntl
    except ImportError:
        return True
    # Some network disks have no locks.
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
    return _is_same(file, path)


def _is_same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
