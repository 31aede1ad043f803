"""What a user passes in by mistake is refused with one explained error, and what is merely written another way is understood."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import seqsci
from seqsci import cli
from seqsci.cells.volatility import Volatility
from seqsci.domains.finance import models
from seqsci.errors import ConfigError, DataError
from seqsci.frames import to_sequences
from seqsci.sequences import Sequences

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
ROWS = 400
DAYS = pd.date_range("2001-01-01", periods=ROWS, freq="D")
RETURNS = GARCH.simulate(ROWS, seed=1).outcome["log_return"]


def frame(**columns: Any) -> pd.DataFrame:
    """A long frame in percent, with columns replaced."""
    table = pd.DataFrame({"ds": DAYS, "y": RETURNS, **columns})
    table.attrs["unit"] = "percent"
    return table


def refusal(data: Any, unit: str | None = None) -> str:
    """The text of the DataError, which must have its parts."""
    with pytest.raises(DataError) as caught:
        to_sequences(GARCH, data, unit)
    assert all(part in str(caught.value) for part in ("got:", "expected:", "fix:"))
    return str(caught.value)


@pytest.fixture(scope="module")
def fit() -> Any:
    return seqsci.fit(GARCH, frame())


# --- units and plausibility ---


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        (RETURNS, "decimal", "look like percent"),
        (RETURNS / 100, "percent", "look like decimals"),
        (RETURNS * 100, "percent", "basis points"),
        (100 * np.exp(RETURNS.cumsum() / 100), "percent", "are these prices?"),
        (1.1 * np.exp(RETURNS.cumsum() / 100), "percent", "are these prices?"),
        (1.1 * np.exp(RETURNS.cumsum() / 100), "decimal", "are these prices?"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_mix_up_of_units_is_refused_in_arrays_and_sequences(values: Any, unit: str, text: str, packed: bool) -> None:
    data = Sequences({"log_return": values}, measure={"log_return": unit}) if packed else values
    assert text in refusal(data, None if packed else unit)


@pytest.mark.parametrize("size", [0.0005, 0.045, 0.11])
def test_calm_and_wild_returns_pass_as_decimals(size: float) -> None:
    Volatility().check({"log_return": size * RETURNS / np.abs(RETURNS).mean()}, "decimal")


@pytest.mark.parametrize("size", [0.15, 4.5, 11.0])
def test_calm_and_wild_returns_pass_as_percent(size: float) -> None:
    Volatility().check({"log_return": size * RETURNS / np.abs(RETURNS).mean()}, "percent")


def test_sequences_may_leave_the_unit_out_but_not_state_an_unknown_or_a_second_one() -> None:
    bare = Sequences({"log_return": RETURNS})
    assert to_sequences(GARCH, bare) is bare
    assert to_sequences(GARCH, bare, "percent").measure == {"log_return": "percent"}
    assert "no unit 'bp'" in refusal(Sequences({"log_return": RETURNS}, measure={"log_return": "bp"}))
    assert "two units" in refusal(Sequences({"log_return": RETURNS}, measure={"log_return": "percent"}), "decimal")
    assert "missing column 'log_return' (did you mean 'log_returns'?)" in refusal(Sequences({"log_returns": RETURNS}))


@pytest.mark.parametrize("data", [RETURNS, list(RETURNS), pd.Series(RETURNS), pd.DataFrame({"y": RETURNS})], ids=lambda v: type(v).__name__)
def test_everything_else_must_state_its_unit(data: Any) -> None:
    assert "the unit of log_return is not stated" in refusal(data)
    assert "no unit 'bp'" in refusal(data, "bp")


# --- update ---


NEW = pd.DataFrame({"ds": pd.date_range(DAYS[-1] + pd.Timedelta(days=1), periods=3), "y": [0.5, -1.0, 0.25]})


@pytest.mark.parametrize(
    "new",
    [
        NEW,
        NEW.assign(ds=NEW["ds"].astype(str)),
        NEW.set_index("ds")["y"],
        NEW["y"],
        NEW["y"].to_numpy(),
        list(NEW["y"]),
        Sequences({"log_return": NEW["y"]}),
        Sequences({"log_return": NEW["y"]}, index=list(NEW["ds"].astype(str))),
        Sequences({"log_return": NEW["y"] / 100}, measure={"log_return": "decimal"}),
    ],
    ids=["frame", "text dates", "dated series", "series", "array", "list", "sequences", "labelled sequences", "decimal sequences"],
)
def test_a_fit_is_updated_with_whatever_a_fit_takes(fit: Any, new: Any) -> None:
    grown = fit.update(new)
    np.testing.assert_allclose(grown.sequences.outcome["log_return"], np.r_[RETURNS, NEW["y"]], rtol=1e-15)
    assert grown.unit == "percent" and grown.value == fit.value


def test_an_update_in_another_unit_is_converted_or_refused(fit: Any) -> None:
    decimal = NEW.assign(y=NEW["y"] / 100)
    decimal.attrs["unit"] = "decimal"
    expected = fit.update(NEW).last_state
    np.testing.assert_allclose(fit.update(decimal).last_state, expected, rtol=1e-12)
    np.testing.assert_allclose(fit.update(decimal["y"].to_numpy(), "decimal").last_state, expected, rtol=1e-12)
    with pytest.raises(DataError, match="no unit 'bp'"):
        fit.update(NEW["y"], "bp")
    unitless = seqsci.fit(GARCH, Sequences({"log_return": RETURNS}))
    assert unitless.update(NEW).unit == "1"
    with pytest.raises(DataError, match="another unit than the fit"):
        unitless.update(NEW, "percent")


def test_columns_that_the_fit_carries_along_are_taken_from_the_frame_or_named(fit: Any) -> None:
    carrying = replace(fit, sequences=fit.sequences.with_known({"vix": np.ones(ROWS)}))
    assert carrying.update(NEW.assign(vix=[1.0, 2.0, 3.0])).sequences.known["vix"][-1] == 3.0
    with pytest.raises(DataError, match="missing column 'vix'"):
        carrying.update(NEW)


def test_a_crash_is_no_mix_up_in_an_update(fit: Any) -> None:
    assert fit.update([-25.0]).sequences.outcome["log_return"][-1] == -25.0


def test_an_update_that_goes_back_or_lacks_a_column_is_refused(fit: Any) -> None:
    for ds in (DAYS[-1:], DAYS[:1]):
        with pytest.raises(DataError, match="do not come after the last fitted one"):
            fit.update(pd.DataFrame({"ds": ds, "y": [0.5]}))
    with pytest.raises(DataError, match="missing column 'y'"):
        fit.update(pd.DataFrame({"ds": NEW["ds"], "note": ["a", "b", "c"]}))
    with pytest.raises(DataError, match="rows of several series"):
        fit.update(pd.DataFrame({"unique_id": ["a", "b"], "y": [0.5, 0.1]}))


# --- order ---


SWAPPED = [0, 2, 1, *range(3, ROWS)]


@pytest.mark.parametrize("spelling", ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"])
def test_text_dates_out_of_order_are_refused_however_they_are_written(spelling: str) -> None:
    text = DAYS.strftime(spelling)
    assert len(to_sequences(GARCH, frame(ds=text))) == ROWS
    assert "unsorted dates" in refusal(frame(ds=text[SWAPPED]))
    assert "duplicate dates" in refusal(frame(ds=[text[0], *text[:-1]]))


def test_iso_text_becomes_dates_and_other_text_stays_a_label() -> None:
    index = to_sequences(GARCH, frame(ds=DAYS.astype(str))).index
    np.testing.assert_array_equal(index, DAYS.to_numpy())
    labels = [f"site {-i}" for i in range(ROWS)]
    assert list(to_sequences(GARCH, frame(ds=labels)).index) == labels
    assert "row 7: 'n/a'" in refusal(frame(ds=[*DAYS[:7].astype(str), "n/a", *DAYS[8:].astype(str)]))


@pytest.mark.parametrize("ds", [DAYS.tz_localize("Europe/Paris"), DAYS.to_period("D"), DAYS.date], ids=["zone", "period", "date"])
def test_objects_that_are_dates_are_checked(ds: Any) -> None:
    to_sequences(GARCH, frame(ds=ds))
    assert "unsorted" in refusal(frame(ds=ds[SWAPPED]))


def test_each_series_of_a_panel_is_checked_and_named() -> None:
    panel = pd.concat([frame().assign(unique_id=name) for name in "ab"], ignore_index=True)
    assert list(to_sequences(GARCH, panel, "percent").starts) == [0, ROWS]
    swapped = panel.iloc[[*range(ROWS), *(ROWS + np.array(SWAPPED))]]
    assert "series 'b': 2001-01-03 is followed by 2001-01-02" in refusal(swapped, "percent")
    assert "not together" in refusal(panel.sort_values("ds"), "percent")


# --- shapes ---


@pytest.mark.parametrize("data", [np.array(["a", "b"]), ["1,5", "x"], None, 3.0, {"y": [1.0]}, np.ones((4, 2))], ids=repr)
def test_what_is_no_column_of_numbers_is_a_data_error(data: Any) -> None:
    assert "log_return" in refusal(data, "percent")


def test_a_column_of_text_is_named() -> None:
    assert "y holds values that are no numbers" in refusal(frame(y=["x"] * ROWS))


@pytest.mark.parametrize(
    "wide", [frame()[["y"]].set_index(DAYS).rename(columns={"y": "SPX"}), frame().rename(columns={"ds": "Date", "y": "SPX"})]
)
def test_a_wide_frame_of_one_name_is_that_series(wide: pd.DataFrame) -> None:
    found = to_sequences(GARCH, wide, "percent")
    np.testing.assert_array_equal(found.outcome["log_return"], RETURNS)
    np.testing.assert_array_equal(found.index, DAYS.to_numpy())


def test_a_wide_frame_of_several_names_lists_them_and_says_how_to_choose() -> None:
    text = refusal(pd.DataFrame({"SPX": RETURNS, "DAX": RETURNS}, index=DAYS), "percent")
    assert "SPX, DAX" in text and "frame[['SPX']]" in text and "read_returns" in text and "column='SPX'" in text


# --- configurations ---


def failing(capsys: Any, *arguments: str) -> str:
    """The text of a command that stops with status 1."""
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    assert stop.value.code == 1
    return str(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"data": [1]}, "data is not a section"),
        ({"estimator": "x"}, "estimator is not a section"),
        ({"estimator": {"starts": "x"}}, "estimator.starts"),
        ({"estimator": {"starts": 0}}, "estimator.starts"),
        ({"estimator": {"starts": True}}, "estimator.starts"),
        ({"estimator": {"evaluations": 1.5}}, "estimator.evaluations"),
        ({"comparison": {"refit": "abc"}}, "comparison.refit"),
        ({"comparison": {"refit": 0}}, "comparison.refit"),
        ({"comparison": {"tried_before": -1}}, "comparison.tried_before"),
        ({"comparison": {"test_share": 1.5}}, "comparison.test_share"),
        ({"comparison": {"test_share": [0.3]}}, "comparison.test_share"),
        ({"comparison": {"label": "foo"}}, "comparison.label"),
        ({"comparison": {"baselines": "EWMA"}}, "comparison.baselines"),
        ({"data": {"path": ["a.csv"]}}, "data.path"),
        ({"data": {"path": "prices.csv"}}, "data.kind"),
        ({"domain": ["finance"]}, "no domain"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_a_value_of_the_wrong_kind_is_named_before_anything_is_read(tmp_path: Path, section: dict[str, Any], expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"domain": "finance", "data": {"path": "nowhere.csv", "kind": "prices"}, **section}))
    with pytest.raises(ConfigError) as caught:
        seqsci.load(str(path))
    assert expected in str(caught.value) and "fix:" in str(caught.value)


def test_all_faults_of_a_configuration_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"domain": "finance", "estimator": {"starts": 0}, "comparison": {"refit": 0, "label": "confirmatoin"}}))
    with pytest.raises(ConfigError, match="3 faults") as caught:
        seqsci.load(str(path))
    assert "did you mean 'confirmation'" in str(caught.value)


def test_empty_sections_are_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("domain: finance\ndata:\nestimator:\ncomparison:\n  refit:\n")
    study = seqsci.load(str(path), {"data.series": "sp500", "comparison.test_share": "0.25"})
    assert (study.refit, study.test_share, study.estimator.starts) == (60, 0.25, 4)


@pytest.mark.parametrize("option", [("--comparison.refit", "abc"), ("--comparison.refit", "0"), ("--comparison.test_share", "1.5")])
def test_a_bad_option_stops_the_command_with_its_key(capsys: Any, tmp_path: Path, option: tuple[str, str]) -> None:
    text = failing(capsys, "fit", "--config", "finance/sp500", "--out", str(tmp_path), *option)
    assert option[0].removeprefix("--") in text.replace("finance/sp500: ", "") and repr(option[1]) in text


def test_a_file_needs_its_kind(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    pd.DataFrame({"date": DAYS, "close": 100 * np.exp(RETURNS.cumsum() / 100)}).to_csv(path, index=False)
    text = failing(capsys, "fit", "--config", "finance/returns", "--data.path", str(path), "--out", str(tmp_path))
    assert "data.kind is not stated" in text and "--data.kind prices" in text


# --- missing extras ---


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
{code}
"""
COMMAND = "from seqsci import cli; cli.main({arguments!r})"
FIT = """
import numpy as np, seqsci
from seqsci.domains.finance import models
seqsci.fit(models.garch_normal(), np.random.randn(200), "percent")
"""


@pytest.mark.parametrize(
    ("package", "code", "extra"),
    [
        ("scipy", FIT, "fit"),
        ("numba", FIT, "fit"),
        ("pandas", "import seqsci; seqsci.load('finance/sp500')", "fit"),
        ("scipy", COMMAND.format(arguments=["fit", "--config", "finance/sp500"]), "fit"),
        ("pandas", COMMAND.format(arguments=["fit", "--config", "finance/sp500"]), "fit"),
        ("yaml", COMMAND.format(arguments=["fit", "--config", "finance/sp500"]), "fit"),
        ("yaml", COMMAND.format(arguments=["show", "finance/sp500"]), "fit"),
        ("arch", COMMAND.format(arguments=["fit", "--config", "finance/sp500"]), "finance"),
    ],
    ids=lambda v: " ".join(v.split("\n")[-2:])[:40],
)
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(package: str, code: str, extra: str, tmp_path: Path) -> None:
    script = BLOCKED.format(package=package, code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    name = "pyyaml" if package == "yaml" else package
    assert done.returncode == 1 and f"needs {name}, which is not installed: pip install 'seqsci[{extra}]'" in last, done.stderr
    if "cli.main" in code:
        assert len(done.stderr.strip().splitlines()) == 1
    else:
        assert "MissingExtraError" in last


def test_a_module_of_no_extra_stays_the_error_that_it_is(tmp_path: Path) -> None:
    script = BLOCKED.format(package="torch", code="import seqsci; seqsci.Cell")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "ModuleNotFoundError: No module named 'torch'" in done.stderr
