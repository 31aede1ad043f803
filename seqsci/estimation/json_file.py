"""Artefacts as one JSON file with a checksum: written whole or not at all, refused where they were changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsci.errors import ArtefactError, explain


def write(target: Path, key: str, content: Mapping[str, Any]) -> Path:
    """Write ``content`` under ``key`` beside its checksum; raises `ArtefactError` where the folder cannot be written."""
    body = json.dumps(content, allow_nan=False)
    text = json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), key: body})
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text)
        os.replace(temporary, target)
    except OSError as error:
        fix = "create it or choose another"
        raise ArtefactError(explain(f"cannot write {target}", error.strerror, "a folder that can be written", fix)) from error
    return target


def read(source: Path, key: str, form: str, maker: str) -> dict[str, Any]:
    """The content of a file whose ``format`` is ``form``; raises `ArtefactError` for a missing, truncated, changed or foreign one."""
    try:
        outer = json.loads(source.read_text())
        body = outer[key]
        intact = hashlib.sha256(body.encode()).hexdigest() == outer["sha256"]
        table: dict[str, Any] = json.loads(body)
        found = table.get("format")
    except FileNotFoundError as error:
        raise ArtefactError(explain("no such artefact", source, f"a file written by {maker}", "check the path")) from error
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        got = f"{type(error).__name__}: {error}"[:200]
        raise ArtefactError(explain(f"{source} cannot be read", got, form, "fit again, or take a backup")) from error
    if not intact or found != form:
        raise ArtefactError(explain(f"{source} was changed or made by another version", found, form, "fit again"))
    return table
