"""The report holds every section, needs nothing from outside, says who wins, refuses damaged runs, and can be read in a browser."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from seqsci import rundir
from seqsci.errors import ArtefactError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("latex2mathml", reason="latex2mathml is not installed")

from seqsci import plots
from seqsci.report import write_report
from seqsci.report.mathematics import mathml
from tests.simulated_fit import simulated_fit

SECTIONS = ("fitted", "equation", "parameters", "states", "domain", "residuals", "comparison", "reproduce")
CONFIG = {"domain": "finance", "name": "finance/test", "data": {"series": "simulated"}, "comparison": {"label": "confirmation"}}
HEADING = """Held-out comparison on the last 30% of the rows (confirmation data): 1500 one-step-ahead forecasts
refit every 60 rows, expanding window, the same dates for all; 9 models were tried on this window

Scores"""


@pytest.fixture(scope="module")
def fit():
    return simulated_fit()


@pytest.fixture(scope="module")
def original(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "run-001"
    folder.mkdir()
    rundir.write(folder, CONFIG, fit, None)
    return folder


@pytest.fixture
def run(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "run-001"))


def table(path, head, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])


def compare(folder, verdicts):
    """Write a comparison with one difference a verdict."""
    signs = {"we are better": -1, "no significant difference": 0, "WE ARE WORSE": 1}
    table(folder / "scores.csv", ("model", "qlike", "realized_qlike"), [("ours", 0.3, "nan"), *((b, 0.31, "nan") for b in verdicts)])
    rows = [
        ("QLIKE", b, 0.02 * signs[v], 0.02 * signs[v] - 0.01, 0.02 * signs[v] + 0.01, 0.01 if signs[v] else 0.5, v)
        for b, v in verdicts.items()
    ]
    table(folder / "differences.csv", ("score", "baseline", "mean", "low", "high", "p_value", "verdict"), rows)
    (folder / "comparison.txt").write_text(HEADING)


ALL_OUTCOMES = {"EWMA": "we are better", "HAR": "no significant difference", "GARCH-n": "WE ARE WORSE"}


def page(folder):
    return write_report(folder).read_text()


def words(text):
    """The page as read: without tags and runs of blanks."""
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_every_section_is_there_and_holds_what_it_says(run, fit):
    compare(run, ALL_OUTCOMES)
    text = page(run)
    assert re.findall(r'<section id="(\w+)">', text) == list(SECTIONS)
    read = words(text)
    for said in (
        fit.model.name, "5,000 scored", "2000-01-03 to 2013-09-10", "log_return [percent]", "maximum likelihood", "series simulated",
        *(p.reading for p in fit.model.parameters), *(d.reading for d in fit.model.derived),
        "Ljung-Box", "ARCH-LM", fit.data_hash, fit.provenance.version, "9 models were tried", "News impact curve", "Conditional volatility",
        "PIT histogram", "Quantile plot", "domain: finance",
    ):  # fmt: skip
        assert said in read or said in text, said
    assert text.count("<math") >= 5 + len(fit.model.parameters) and "<mtext>ParseError" not in text


def test_a_metrics_file_adds_the_training_curve(run):
    assert 'id="training"' not in page(run)
    table(run / "metrics.csv", ("epoch", "train_loss", "validation_loss"), [(0, 3.0, 3.5), (1, 2.0, 2.5), (2, 1.5, ""), (3, 1.4, 2.75)])
    text = page(run)
    assert 'id="training"' in text and "least at epoch 1 (2.5)" in text and "gradient training" in text


def test_a_training_without_validation_and_a_seed_are_shown(run):
    table(run / "metrics.csv", ("epoch", "train_loss"), [(0, 3.0), (1, 2.0)])
    made = json.loads((run / "command.json").read_text())
    (run / "command.json").write_text(json.dumps(made | {"seed": 1234, "versions": {"torch": "9.9.9"}}))
    read = words(page(run))
    assert "no validation loss was recorded" in read and "seed 1234" in read and "torch 9.9.9" in read


class Outside(HTMLParser):
    """Collects what a browser would fetch, and what it would run."""

    def __init__(self):
        super().__init__()
        self.fetched, self.scripts, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            local = (value or "").startswith(("#", "data:"))
            if name in ("src", "href", "srcset", "data", "poster", "action") and tag != "a" and not local:
                self.fetched.append((tag, name, value))
            if name.startswith("on"):
                self.scripts.append((tag, name))
        if tag in ("script", "iframe", "object", "embed"):
            self.scripts.append((tag, ""))


def test_the_page_is_one_file_without_script_or_reference(run):
    compare(run, ALL_OUTCOMES)
    text = page(run)
    found = Outside()
    found.feed(text)
    assert not found.fetched and not found.scripts
    assert not re.findall(r"url\((?!#|data:)|@import", text)
    assert set(re.findall(r'href="(https?://[^/"]+)', text)) <= {"https://doi.org"}


def test_every_figure_has_a_caption_a_label_and_its_own_ids(run):
    compare(run, ALL_OUTCOMES)
    text = page(run)
    figures = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert len(figures) >= 7
    for f in figures:
        assert re.search(r'aria-label="[^"]{40,}"', f) and re.search(r"<figcaption>[^<]{40,}</figcaption>", f)
        assert len(f) < 60_000
        assert set(re.findall(r"url\(#([^)]+)\)", f)) <= set(re.findall(r' id="([^"]+)"', f))


def test_a_report_of_five_thousand_rows_is_small_and_quick(run):
    compare(run, ALL_OUTCOMES)
    write_report(run)  # imports matplotlib and loads the kernel
    clock = time.process_time()
    target = write_report(run)
    assert time.process_time() - clock < 5.0
    assert target.stat().st_size <= 400_000


def test_the_report_appears_whole_and_leaves_nothing_else(run):
    before = {p.name for p in run.iterdir()}
    assert write_report(run) == run / "report.html"
    first = (run / "report.html").read_bytes()
    write_report(run)
    assert {p.name for p in run.iterdir()} == before | {"report.html"}
    assert (run / "report.html").read_bytes() == first, "the same run gives the same page"


def test_when_the_baseline_wins_the_page_says_so_at_its_top(run):
    compare(run, {"EWMA": "WE ARE WORSE", "HAR": "WE ARE WORSE"})
    text = page(run)
    read = words(text)
    assert "significantly WORSE than EWMA, HAR (QLIKE)" in read
    assert "Ours is better than: none" in read and text.count(">OURS IS WORSE<") == 2
    assert read.index("WORSE than EWMA") < read.index("What was fitted")


def test_wins_ties_and_losses_are_all_named_with_the_label_of_the_window(run):
    compare(run, ALL_OUTCOMES)
    read = words(page(run))
    for said in ("WORSE than: GARCH-n (QLIKE)", "No significant difference to: HAR (QLIKE)", "Ours is better than: EWMA (QLIKE)"):
        assert said in read
    assert "The window is confirmation data" in read and "flatter" not in read


def test_without_a_comparison_nothing_is_claimed(run):
    read = words(page(run))
    assert "No held-out comparison was made" in read and "ours is significantly better" not in read


def test_names_from_files_are_text_not_markup(run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("finance/test", "'<script>alert(1)</script>'"))
    text = page(run)
    assert "<script" not in text and "&lt;script&gt;" in text


def test_a_run_of_an_unknown_domain_gets_the_generic_figures(run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("domain: finance", "domain: astrology"))
    text = page(run)
    assert "&#39;astrology&#39; of this run is not installed" in text
    assert "PIT histogram" in text and "News impact" not in text


def test_a_domain_draws_from_the_fit_and_the_tables_of_the_run(run, monkeypatch):
    from seqsci.domains.finance import manifest
    from seqsci.domains.finance import plots as finance

    (run / "extra.csv").write_text("series_id,x\n007,1.5\n")
    seen = {}

    def figures(fit, tables):
        seen.update(tables=tables, names=set(tables), table=tables["extra"])
        return finance.figures(fit, tables)

    monkeypatch.setattr(finance, "drawn_from_tables", figures, raising=False)
    monkeypatch.setattr(manifest, "PLOTS", "seqsci.domains.finance.plots:drawn_from_tables")
    assert "News impact" in page(run)
    assert seen["names"] == {"states", "parameters", "extra"}
    assert seen["table"]["series_id"].tolist() == ["007"] and seen["table"]["x"].tolist() == [1.5]
    assert seen["tables"]["extra"] is seen["table"]  # read once


def test_a_damaged_table_of_a_run_is_named(run):
    from seqsci.report.tables import Tables

    (run / "extra.csv").write_text("")
    (run / "other.csv").write_text("a\n1,2\n1,2,3\n")
    for name in ("extra", "other"):
        with pytest.raises(ArtefactError, match=f"{name}.csv is corrupt"):
            Tables(run)[name]


def damage_json(path):
    path.write_text(path.read_text()[:-200])


def drop_column(path):
    lines = [line.rsplit(",", 2)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))


def drop_rows(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-3]))


def spoil_number(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], re.sub(r"\d+\.\d+", "x", lines[-1])]))


def swap_number(path):
    head, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, re.sub(r"(\d+\.\d+)", lambda m: str(float(m[1]) + 1), first), *rest]))


def empty(path):
    path.write_text("")


DAMAGE = [
    ("model.json", Path.unlink), ("model.json", damage_json), ("model.json", empty),
    ("config.yaml", Path.unlink), ("config.yaml", empty), ("config.yaml", lambda p: p.write_text("a: [1")),
    ("config.yaml", lambda p: p.write_text("name: x")), ("config.yaml", lambda p: p.write_bytes(b"\xff\xfe\x00")),
    ("command.json", Path.unlink), ("command.json", damage_json), ("command.json", lambda p: p.write_text("[]")),
    ("command.json", lambda p: p.write_text(json.dumps({"command": "fit"}))),
    *((name, way) for name in ("parameters.csv", "states.csv") for way in
      (Path.unlink, empty, drop_column, drop_rows, spoil_number, swap_number)),
    *((name, way) for name in ("scores.csv", "differences.csv") for way in (Path.unlink, empty, spoil_number)),
    ("differences.csv", drop_column), ("comparison.txt", Path.unlink), ("comparison.txt", empty),
    ("differences.csv", lambda p: p.write_text(p.read_text().replace("WE ARE WORSE", "we are fine"))),
    ("differences.csv", lambda p: p.write_text(p.read_text().replace("EWMA", "EWMB"))),
    ("metrics.csv", lambda p: p.write_text("epoch,train_loss,validation_loss\n")),
    ("metrics.csv", lambda p: p.write_text("epoch,validation_loss\n1,2\n")),
    ("metrics.csv", lambda p: p.write_text("epoch,train_loss,validation_loss\n1,two,3\n")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "way"), DAMAGE, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_a_missing_or_damaged_artefact_is_named_and_no_page_is_written(run, name, way):
    compare(run, ALL_OUTCOMES)
    way(run / name)
    with pytest.raises(ArtefactError) as error:
        write_report(run)
    text = str(error.value)
    assert name in text and all(part in text for part in ("got:", "expected:", "fix:"))
    assert not (run / "report.html").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="no such run"):
        write_report(tmp_path / "absent")
    with pytest.raises(ArtefactError, match="no such artefact"):
        write_report(tmp_path)


# figures and formulas


@pytest.mark.parametrize("rows", [1, 600, 601, 5000])
def test_a_thinned_series_keeps_its_ends_and_extremes(rows):
    values = np.random.default_rng(rows).normal(size=rows)
    keep = plots.thinned(values)
    assert len(keep) <= 2 * plots.BUCKETS + 2 and (np.diff(keep) > 0).all()
    assert keep[0] == 0 and keep[-1] == rows - 1
    assert values[keep].min() == values.min() and values[keep].max() == values.max()


def test_an_svg_keeps_its_text_and_numbers_of_labels(fit):
    drawn, axis = plots.panel("under $ & <b>", "left")
    axis.plot([0.00012345, 0.00012346], [1, 2])
    axis.set_xticks([0.000123456], ["0.000123456"])
    text = plots.svg(plots.Captioned("a", drawn, "b"))
    assert "0.000123456" in text and "&amp; &lt;b&gt;" in text and "http" not in text
    assert re.match(r'<svg viewBox="[\d. ]+" width="[\d.]+" role="img">', text)


def test_formulas_become_mathml_with_words_in_one_piece_and_odd_latex_stays_readable():
    assert "<mfrac>" in mathml(r"\frac{a}{b}")
    assert ">elapsed_days</mi>" in mathml(r"\sqrt{elapsed_days_t}", ("elapsed_days", "days"))
    assert '<mtable class="cases">' in mathml(r"\begin{cases} 1 & \text{if } x < 0 \\ 2 & \text{otherwise} \end{cases}")
    assert mathml("a_b_c <") == "<code>a_b_c &lt;</code>"


# in a browser

BROWSER = next((b for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (b := shutil.which(n))), None)
MEASURE = """<script>
addEventListener("load", () => {
  const heights = [...document.querySelectorAll("math")].map(m => m.getBoundingClientRect().height);
  const wide = [...document.querySelectorAll("figure, p, li, dd, h2, pre")].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
  parent.document.title = JSON.stringify({viewport: innerWidth, width: document.documentElement.scrollWidth, heights, wide: wide.length});
});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_the_page_without_errors_or_sideways_scrolling(run, tmp_path, width):
    compare(run, ALL_OUTCOMES)
    text = page(run)
    assert "Content-Security-Policy" in text
    measured = (
        tmp_path / "measured.html"
    )  # the ban on scripts is lifted for the ruler; a frame, as Chromium's own window is 500 px or wider
    inner = html.escape(re.sub(r"<meta http-equiv=[^>]*>", "", text).replace("</body>", f"{MEASURE}</body>"))
    measured.write_text(f'<!doctype html><title></title><iframe width="{width}" height="844" style="border:0" srcdoc="{inner}"></iframe>')
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=3000",
        "--enable-logging=stderr",
        "--window-size=1300,900",
    ]

    def show(path):
        return subprocess.run(
            [BROWSER, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip

    assert "CONSOLE" not in show(run / "report.html").stderr
    found = json.loads(re.search(r"<title>(\{.*?\})</title>", show(measured).stdout)[1])
    assert found["viewport"] == width and found["width"] <= width and found["wide"] == 0
    assert len(found["heights"]) >= 8 and min(found["heights"]) > 5
