"""seqsci cite: the entry of seqsci, and the sources of a model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import seqsci
from seqsci.cli import cite
from seqsci.domains.finance import models
from tests.spoken import spoken

ROOT = Path(seqsci.__file__).parent.parent


def test_the_entry_of_seqsci_says_what_the_citation_file_says():
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (facts["title"], tuple(a["name"] for a in facts["authors"]), facts["license"]) == (cite.TITLE, cite.AUTHORS, cite.LICENSE)
    assert facts["version"] == seqsci.__version__ and seqsci.__version__ in cite.software()
    assert ("doi" in facts) == ("doi" in cite.software()), "the citation file has a DOI: put it into cite.py"


def test_sources_of_a_model_come_with_doi_url_and_what_the_docstrings_say(capsys):
    text = spoken(capsys, "cite", "finance/sp500_skewed")[0]
    assert text.count("{") == text.count("}") and "@software{seqsci," in text
    assert "@misc{hentschel1995," in text and "{All in the family: nesting symmetric and asymmetric GARCH models}" in text
    for doi in (*models.default().mechanism.references, "10.2307/2527081"):
        assert f"doi    = {{{doi}}}" in text or f"doi  = {{{doi}}}" in text
        assert f"https://doi.org/{doi}" in text
    keys = re.findall(r"^@\w+\{(.+),$", text, flags=re.M)
    assert len(keys) == len(set(keys)) == 4


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "Source: Kim and Lee (2001), A title, with comma, DOI 10.1000/x(1)2.",
            {"10.1000/x(1)2": ("Kim and Lee", "2001", "A title, with comma")},
        ),
        (
            "Students (Bollerslev 1987, DOI 10.2307/19). Then (Box, Cox & Ox 1999, DOI 10.1/no)",
            {"10.2307/19": ("Bollerslev", "1987", None)},
        ),
        (
            "A pair (Glosten, Jagannathan and Runkle 1993, DOI 10.1111/j.x)",
            {"10.1111/j.x": ("Glosten and Jagannathan and Runkle", "1993", None)},
        ),
        ("Sheppard et al. (2024), arch, DOI 10.5281/z.", {"10.5281/z": ("Sheppard and others", "2024", "arch")}),
        ("only DOI 10.5281/z`", {"10.5281/z": (None, None, None)}),
    ],
)
def test_a_docstring_source_is_read(text, facts):
    found = {d: tuple(f.get(k) for k in ("author", "year", "title")) for d, f in cite.mentioned(text).items()}
    assert found == facts
