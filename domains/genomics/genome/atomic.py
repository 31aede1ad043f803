"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqsci.errors import ArtefactError, explain


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``, with its ending; it takes the place of ``path`` at the end, and is removed after an error.

    Raises: ArtefactError where the folder cannot be written.
    """
    target = Path(path).expanduser()
    temporary = target.with_name(f".{os.getpid()}.tmp.{target.name}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        fix = "create the folder, make room, or choose another"
        raise ArtefactError(explain(f"cannot write {target}", error.strerror or error, "a folder that can be written", fix)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
