"""Sequences as codes: A C G T are 0 to 3, N and the other IUPAC letters 4 to 14; reverse complements, distributions over bases."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seqsci.errors import DataError, explain

Codes = NDArray[np.uint8]
LETTERS = "ACGTNRYSWKMBDHV"
"""Letter of each code. U (RNA) is read as T; lower case (soft masks) as upper case."""
BASES = ("A", "C", "G", "T", "ACGT", "AG", "CT", "CG", "AT", "GT", "AC", "CGT", "AGT", "ACT", "ACG")
"""Bases that each letter stands for."""
N = 4
UNKNOWN = 255

CODE = np.full(256, UNKNOWN, np.uint8)
"""Code of each byte; 255 for what is no letter of a sequence."""
for _code, _letter in enumerate(LETTERS):
    CODE[[ord(_letter), ord(_letter.lower())]] = _code
CODE[[ord("U"), ord("u")]] = 3

PROBABILITY = np.array([[1 / len(b) if x in b else 0 for x in "ACGT"] for b in BASES], np.float32)
"""Distribution over A C G T of each code, (15, 4)."""
COMPLEMENT = np.array([BASES.index("".join(sorted("TGCA"["ACGT".index(x)] for x in b))) for b in BASES], np.uint8)
"""Code of the complement of each code, (15,)."""
_TEXT = np.frombuffer(LETTERS.encode(), np.uint8)


def encode(text: str | bytes) -> Codes:
    """Return the codes (positions,) of a sequence of IUPAC letters.

    Raises: DataError for any other character, with its place.

    >>> encode("ACGTN").tolist()
    [0, 1, 2, 3, 4]
    """
    raw = text.encode("utf-8") if isinstance(text, str) else text
    codes = CODE[np.frombuffer(raw, np.uint8)]
    if (bad := codes == UNKNOWN).any():
        place = int(np.argmax(bad))
        got = f"{raw[place : place + 1].decode('latin-1')!r} at position {place}"
        fix = "remove gaps and blanks; proteins are no nucleotides"
        raise DataError(explain("no letter of a nucleotide sequence", got, f"{LETTERS} or U", fix))
    return codes


def decode(codes: Codes) -> str:
    """Return the letters of codes (positions,), in upper case.

    >>> decode(np.array([0, 1, 4], np.uint8))
    'ACN'
    """
    return _TEXT[_checked(codes)].tobytes().decode()


def reverse_complement(codes: Codes) -> Codes:
    """Return the opposite strand, read 5' to 3' (positions,): reversed and complemented, R to Y, B to V and so on, N to N.

    >>> decode(reverse_complement(encode("AACGR")))
    'YCGTT'
    """
    return COMPLEMENT[_checked(codes)][::-1]


def reverse_labels(labels: NDArray[np.generic], swaps: Mapping[object, object] | None = None) -> NDArray[np.generic]:
    """Return labels or signals of positions (positions, ...) as they belong to the reverse complement: flipped, and pairs swapped.

    Args:
        labels: a value or a row of them a position.
        swaps: labels that change places, such as ``{"donor": "acceptor"}`` for marks of the sides of an intron that are meant along the
            forward strand; each pair is named once. A label that is meant along the gene (exon, intron) is not swapped.

    Raises: DataError for a label in two pairs.

    >>> reverse_labels(np.array(["exon", "donor", "acceptor"]), {"donor": "acceptor"}).tolist()
    ['donor', 'acceptor', 'exon']
    """
    flipped = np.asarray(labels)[::-1].copy()
    pairs = [pair for pair in (swaps or {}).items() if pair[0] != pair[1]]
    named = [label for pair in {frozenset(p) for p in pairs} for label in pair]
    if twice := sorted({str(x) for x in named if named.count(x) > 1}):
        raise DataError(explain("a label changes places with two others", ", ".join(twice), "each label in one pair", "correct swaps="))
    result = flipped.copy()
    for a, b in pairs:
        result[flipped == a], result[flipped == b] = b, a
    return result


def distributions(codes: Codes) -> NDArray[np.float32]:
    """Return the distribution over A C G T at each position (positions, 4): N is 1/4 each, R is 1/2 A and 1/2 G, never a base by default.

    >>> distributions(encode("AR")).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]]
    """
    return PROBABILITY[_checked(codes)]


def one_hot(codes: Codes) -> NDArray[np.float32]:
    """Return one-hot rows (positions, 4); DataError for N and other ambiguous letters, which `distributions` takes."""
    if (unsure := ambiguous(codes)).any():
        place = int(np.argmax(unsure))
        got = f"{int(unsure.sum())} positions, the first {LETTERS[codes[place]]} at {place}"
        fix = "distributions(codes), or leave out windows where ambiguous(codes).any()"
        raise DataError(explain("ambiguous letters have no one-hot row", got, "A C G T alone", fix))
    return distributions(codes)


def ambiguous(codes: Codes) -> NDArray[np.bool_]:
    """Return whether each position is N or another ambiguous letter (positions,)."""
    return codes > 3


def runs_of(mask: NDArray[np.bool_], offset: int = 0) -> NDArray[np.int64]:
    """Return start and end of the runs of True (runs, 2), 0-based half-open, moved by ``offset`` bp: ``runs_of(codes == N)`` are the gaps.

    >>> runs_of(encode("NNACN") == N).tolist()
    [[0, 2], [4, 5]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2) + offset


def _checked(codes: Codes) -> Codes:
    if codes.dtype != np.uint8 or (codes.size and int(codes.max()) >= len(LETTERS)):
        got = f"{codes.dtype}, up to {codes.max() if codes.size else 0}"
        raise DataError(explain("these are no codes of a sequence", got, f"uint8 below {len(LETTERS)}", "encode(text)"))
    return codes
