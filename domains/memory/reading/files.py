"""One entry for every kind of review file, and the CSV that fsrs-optimizer reads."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from seqsci.domains.memory.reading.anki import head_of, read_anki
from seqsci.domains.memory.reading.archive import SQLITE, ZIP, ZSTD
from seqsci.domains.memory.reading.cleaning import Cleaning
from seqsci.domains.memory.reading.grades import Grades
from seqsci.domains.memory.reading.table import FSRS_COLUMNS, ReviewColumns, read_table
from seqsci.domains.memory.reviews import Reviews
from seqsci.errors import ArtefactError, ConfigError, DataError, explain


def read_reviews(
    path: str | os.PathLike[str],
    timezone: str | None = None,
    day_start: float = 4,
    user: str | int = 0,
    columns: ReviewColumns | None = None,
    grades: Grades | None = None,
    cleaning: Cleaning | None = None,
) -> Reviews:
    """Read reviews from an Anki collection or package, a CSV or a Parquet file; the kind is told by the content, not by the name.

    Args:
        path: collection.anki2, .apkg, .colpkg, collection.anki21b; CSV, plain or gzip; Parquet.
        timezone: IANA name of the zone in which the reviews were made, such as ``"Europe/Berlin"``.
        day_start: local hour at which the next study day begins.
        user: name of the user where the file has none.
        columns: names of the columns of a table; None is fsrs-optimizer's schema.
        grades: what the buttons mean; the notes say where Anki's first scheduler is suspected and which argument remaps.
        cleaning: choices of the cleaning rules (`seqsci.domains.memory.reading.cleaning.RULES`).

    See `read_anki` and `read_table` for what is read and what is refused.
    """
    source = Path(path).expanduser()
    head = head_of(source)
    if not head:
        raise DataError(explain(f"{source} is empty", "0 bytes", "an Anki collection or a table", "export it again"))
    if head.startswith((SQLITE, ZIP, ZSTD)):
        if columns is not None:
            raise ConfigError(
                explain(
                    "columns= is for tables",
                    f"{source}, an Anki file",
                    "a CSV or Parquet file",
                    "leave out --data.card_column and its like (in Python leave columns= out)",
                )
            )
        return read_anki(source, timezone, day_start, user, grades, cleaning)
    return read_table(source, columns or FSRS_COLUMNS, timezone, day_start, user, grades, cleaning)


def write_csv(reviews: Reviews, path: str | os.PathLike[str]) -> Path:
    """Write reviews in fsrs-optimizer's schema, whole or not at all; a name that ends in .gz is compressed. Returns the path.

    Columns: user, card_id, review_time (ms), review_rating, review_state, review_duration (ms). fsrs-optimizer tells cards apart by card_id
    alone: give it one user a file. Time zone and next-day hour are not in the file; state them when reading it. Raises ArtefactError where
    it cannot be written.
    """
    target = Path(path).expanduser()
    names = dict(zip(("grade", "state", "duration_ms"), ("review_rating", "review_state", "review_duration"), strict=True))
    text = reviews.frame[["user", "card_id", "review_time", *names]].rename(columns=names).to_csv(index=False, lineterminator="\n")
    data = gzip.compress(text.encode(), mtime=0) if target.suffix == ".gz" else text.encode()
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        fix = "create it or choose another"
        raise ArtefactError(explain(f"cannot write {target}", error.strerror, "a folder that can be written", fix)) from error
    return target
