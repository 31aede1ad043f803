"""Laws of bad input: whatever a file holds, reading it ends with reviews or an explained error, and writes nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.reading import archive
from seqsci.domains.memory.reading.anki import read_anki
from seqsci.domains.memory.reading.archive import Limits
from seqsci.domains.memory.reading.files import read_reviews
from seqsci.errors import DataError
from tests.anki_files import HISTORY, NOON, collection, package, row

LONG = [row(i / 50, card=i % 40, kind=int(i >= 40)) for i in range(2000)]


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Check that reading a path is an explained error, and that neither its folder nor the temporary one keeps anything new."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def check(path: Path, match: str, **options: object) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(DataError, match=match) as error:
            (read_anki if options else read_reviews)(path, **options)  # type: ignore[operator]
        assert "\n  fix:      " in str(error.value)
        assert sorted(tmp_path.rglob("*")) == before

    return check


def test_what_is_no_file_is_named(tmp_path, refused):
    folder = tmp_path / "profile"
    folder.mkdir()
    refused(folder, "is a folder")
    collection(folder / "collection.anki2")
    refused(folder, r"(?s)is a folder.*pass .*collection\.anki2")
    refused(folder / "colection.anki2", "did you mean 'collection.anki2'")
    (tmp_path / "loose").symlink_to(tmp_path / "gone")
    refused(tmp_path / "loose", "link to nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "link to nothing")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no regular file")
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "is empty")
    with pytest.raises(DataError, match="no Anki file"):
        read_anki(package(tmp_path / "x.csv", {}).with_name("x.txt").write_text("a") and tmp_path / "x.txt")


def test_a_zip_that_is_no_package_is_refused(tmp_path, refused):
    refused(package(tmp_path / "a.zip", {"xl/workbook.xml": b"<x/>"}), r"(?s)no Anki package.*xl/workbook\.xml")
    refused(package(tmp_path / "b.zip", {}), "an empty archive")
    refused(package(tmp_path / "c.apkg", {"collection.anki2": b"not a database"}), "holds no collection")
    refused(package(tmp_path / "d.apkg", {"collection.anki2": b"SQLite format 3\0" + bytes(30)}), "truncated")
    refused(package(tmp_path / "e.apkg", {"collection.anki2": b""}), "holds no collection")


def test_a_name_that_leads_out_of_the_folder_is_never_used(tmp_path, refused):
    data = collection(tmp_path / "c").read_bytes()
    evil = {"../../collection.anki2": data, "/collection.anki21b": data, "a/../collection.anki2": data}
    refused(package(tmp_path / "a.apkg", evil), "no Anki package")
    assert len(read_reviews(package(tmp_path / "b.apkg", {**evil, "../x": b"1", "collection.anki2": data}))) == len(HISTORY)
    assert not (tmp_path.parent / "x").exists() and not (tmp_path.parent / "collection.anki2").exists()


def test_a_link_inside_a_package_is_not_followed(tmp_path, refused):
    target = collection(tmp_path / "secret")
    entry = zipfile.ZipInfo("collection.anki2")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.apkg", "w") as archive:
        archive.writestr(entry, str(target))
    refused(tmp_path / "a.apkg", "holds no collection")


def test_a_newer_package_or_schema_says_so(tmp_path, refused):
    data = collection(tmp_path / "c").read_bytes()
    refused(package(tmp_path / "a.apkg", {"collection.anki22": data, "collection.anki2": data}, version=4), "newer kind of package")
    refused(package(tmp_path / "b.apkg", {"collection.anki2": data}, version=3), "lacks its collection")
    refused(collection(tmp_path / "d", version=19), r"(?s)unknown schema.*col\.ver 19.*11 to 18")
    refused(collection(tmp_path / "e", version=None), "unknown schema")
    refused(collection(tmp_path / "f", version="eighteen"), r"col\.ver 'eighteen'")
    refused(collection(tmp_path / "g", script="DELETE FROM col"), r"col\.ver none")
    assert len(read_reviews(collection(tmp_path / "h", version=11))) == len(HISTORY)


def test_a_database_of_something_else_is_named(tmp_path, refused):
    refused(collection(tmp_path / "a", script="DROP TABLE revlog"), "no revlog")
    refused(collection(tmp_path / "b", script="ALTER TABLE revlog RENAME COLUMN ease TO grade"), r"no revlog\.ease")
    sqlite3.connect(tmp_path / "c").execute("CREATE TABLE bookmarks (url)").connection.close()
    refused(tmp_path / "c", "no cards, col, revlog")


def test_an_empty_log_says_how_to_export(tmp_path, refused):
    refused(collection(tmp_path / "a", []), r"(?s)holds no reviews.*scheduling")
    refused(collection(tmp_path / "b", [row(1, ease=0, kind=4)]), r"(?s)no review is left.*manual 1.*set due date")
    refused(collection(tmp_path / "c", HISTORY, cards=[]), r"unknown_card 6")


def test_a_collection_in_use_is_refused(tmp_path, refused):
    path = tmp_path / "c.anki2"
    collection(path)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=wal")
    writer.execute("DELETE FROM revlog")
    assert path.with_name("c.anki2-wal").stat().st_size
    refused(path, "is in use")
    (tmp_path / "link").symlink_to(path)
    refused(tmp_path / "link", "is in use")
    writer.close()


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.6, 0.99])
def test_truncated_files_are_refused(tmp_path, refused, share):
    zstandard = pytest.importorskip("zstandard")
    whole = collection(tmp_path / "c", LONG).read_bytes()
    packed = zstandard.ZstdCompressor().compress(whole)
    package(tmp_path / "p", {"collection.anki21": whole})
    package(tmp_path / "q", {"collection.anki21b": packed})
    files = {"db": whole, "zip": (tmp_path / "p").read_bytes(), "zstd in zip": (tmp_path / "q").read_bytes(), "zstd": packed}
    for name, content in files.items():
        path = tmp_path / f"cut {name}"
        path.write_bytes(content[: max(20, int(share * len(content)))])
        refused(path, "is a damaged archive" if "zip" in name else "is truncated")
    refused(package(tmp_path / "inner.apkg", {"collection.anki21b": packed[: int(share * len(packed))]}), "is truncated")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["db", "zip", "zstd", "csv"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), min_size=1, max_size=5),
)
def test_flipped_bytes_give_reviews_or_an_explained_error(tmp_path_factory, kind, flips):
    zstandard = pytest.importorskip("zstandard")
    folder = tmp_path_factory.mktemp("flipped")
    whole = collection(folder / "c", LONG[:300]).read_bytes()
    package(folder / "p", {"collection.anki21": whole})
    lines = "\n".join(f"{i % 5},{NOON + i * 1000},{i % 4 + 1},{min(1, i // 5) + 1},100" for i in range(60))
    header = "card_id,review_time,review_rating,review_state,review_duration\n"
    sources = {
        "db": whole,
        "zip": (folder / "p").read_bytes(),
        "zstd": zstandard.ZstdCompressor().compress(whole),
        "csv": (header + lines).encode(),
    }
    content = bytearray(sources[kind])
    for share, noise in flips:
        place = int(share * (len(content) - 1))
        content[place : place + len(noise)] = noise
    (folder / "x").write_bytes(content)
    try:
        reviews = read_reviews(folder / "x")
    except DataError as error:
        assert "got:" in str(error)
    else:
        assert len(reviews) > 0 and reviews.frame["grade"].between(1, 4).all()


def test_a_log_that_lists_a_page_twice_is_refused_before_it_is_read(tmp_path, refused):
    path = collection(tmp_path / "c", LONG)
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'revlog'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    start = (root - 1) * size
    assert content[start] == 5  # an inner page: its cells begin with the number of a page below
    cells = struct.unpack_from(">3H", content, start + 12)
    content[start + cells[1] : start + cells[1] + 4] = content[start + cells[0] : start + cells[0] + 4]
    path.write_bytes(content)
    refused(path, "is damaged")


def test_encrypted_doubled_and_foreign_members_are_refused(tmp_path, refused):
    data = collection(tmp_path / "c").read_bytes()
    path = package(tmp_path / "a.apkg", {"collection.anki2": data})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, "is encrypted")
    with zipfile.ZipFile(tmp_path / "b.apkg", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("collection.anki2", data)
        archive.writestr("collection.anki2", data)
    refused(tmp_path / "b.apkg", "twice")
    with zipfile.ZipFile(tmp_path / "d.apkg", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("collection.anki2", data)
    refused(tmp_path / "d.apkg", "compression")


@pytest.mark.parametrize("content", [b"\x08\x02", b""])
def test_a_meta_entry_of_a_foreign_compression_is_refused_sound_or_damaged(tmp_path, refused, content):
    data = collection(tmp_path / "c").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.apkg", "w") as made:
        made.writestr("meta", content, zipfile.ZIP_LZMA)
        made.writestr("collection.anki2", data, zipfile.ZIP_DEFLATED)
    refused(tmp_path / "a.apkg", "compression")
    whole = bytearray((tmp_path / "a.apkg").read_bytes())
    start = 30 + len("meta")
    whole[start : start + 9] = b"\xff" * 9  # the properties of the LZMA stream
    (tmp_path / "b.apkg").write_bytes(whole)
    refused(tmp_path / "b.apkg", "compression")


def test_frames_of_zstd_in_a_row_are_one_stream(tmp_path, refused, monkeypatch):
    zstandard = pytest.importorskip("zstandard")
    data = collection(tmp_path / "c", LONG).read_bytes()
    squeeze = zstandard.ZstdCompressor().compress
    middle = len(data) // 2
    halves = squeeze(data[:middle]) + squeeze(b"") + squeeze(data[middle:])
    (tmp_path / "two.anki21b").write_bytes(halves)
    whole = read_anki(collection(tmp_path / "d", LONG)).frame
    for path in (tmp_path / "two.anki21b", package(tmp_path / "e.colpkg", {"collection.anki21b": halves}, version=3)):
        assert read_anki(path).frame.equals(whole)
    (tmp_path / "cut").write_bytes(halves[:-9])
    refused(tmp_path / "cut", "is truncated")
    (tmp_path / "more").write_bytes(halves + b"something else")
    refused(tmp_path / "more", "is damaged")
    monkeypatch.setattr(archive, "FRAMES", 2)
    refused(tmp_path / "two.anki21b", "unfolds too far")


def test_an_absurd_duration_is_cut_and_counted(tmp_path):
    path = collection(tmp_path / "c", script=f"UPDATE revlog SET time = {2**53 + 7} WHERE id = {HISTORY[2][0]}")
    reviews = read_anki(path)
    assert len(reviews) == len(HISTORY) and reviews.frame["duration_ms"].tolist() == [4200, 4200, 86_400_000, 4200, 4200, 4200]
    assert any("1 durations above a day" in note for note in reviews.notes)


def test_bombs_stop_at_the_limit_while_they_unfold(tmp_path, refused):
    zstandard = pytest.importorskip("zstandard")
    zeros = b"SQLite format 3\0" + bytes(40 << 20)
    limits = Limits(free=1 << 20)
    refused(package(tmp_path / "a.apkg", {"collection.anki2": zeros}), "unfolds too far", limits=limits)
    squeezed = zstandard.ZstdCompressor(write_content_size=False).compress(zeros)
    refused(package(tmp_path / "b.apkg", {"collection.anki21b": squeezed}), "unfolds too far", limits=limits)
    (tmp_path / "c.anki21b").write_bytes(squeezed)
    refused(tmp_path / "c.anki21b", "unfolds too far", limits=limits)
    refused(tmp_path / "c.anki21b", "unfolds too far", limits=Limits(size=1 << 20))
    liar = bytearray((tmp_path / "a.apkg").read_bytes())  # says that it unfolds to 100 bytes
    for place in (22, liar.rindex(b"PK\x01\x02") + 24):
        liar[place : place + 4] = struct.pack("<I", 100)
    (tmp_path / "d.apkg").write_bytes(liar)
    refused(tmp_path / "d.apkg", "damaged", limits=limits)
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28)).compressobj()
    (tmp_path / "e.anki21b").write_bytes(wide.compress(zeros) + wide.flush())
    refused(tmp_path / "e.anki21b", "damaged")


def test_a_gzip_bomb_stops_too(tmp_path):
    import gzip

    from seqsci.domains.memory.reading.table import read_table

    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"card_id,review_time,review_rating\n" + b"1,1,1\n" * (8 << 20)))
    with pytest.raises(DataError, match="unfolds too far"):
        read_table(tmp_path / "a.csv.gz", limits=Limits(size=1 << 20))
    (tmp_path / "b.csv.gz").write_bytes((tmp_path / "a.csv.gz").read_bytes()[:500])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "b.csv.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv.gz", "b.csv.gz"]


def test_card_ids_that_occur_twice_count_as_one_card(tmp_path):
    reviews = read_anki(
        collection(
            tmp_path / "c",
            script="CREATE TABLE d AS SELECT * FROM cards; INSERT INTO d SELECT * FROM cards;"
            "DROP TABLE cards; ALTER TABLE d RENAME TO cards",
        )
    )
    assert len(reviews) == len(HISTORY) and "card ids occur more than once" in reviews.notes[0]


def test_doubled_review_ids_are_counted(tmp_path):
    script = "CREATE TABLE d AS SELECT * FROM revlog; INSERT INTO d SELECT * FROM revlog; DROP TABLE revlog; ALTER TABLE d RENAME TO revlog"
    reviews = read_anki(collection(tmp_path / "c", script=script))
    assert len(reviews) == len(HISTORY) and reviews.dropped["duplicate"] == len(HISTORY)
