"""The bank whose prior ends where forecasts begin: nothing of a later calendar year, of any series, reaches a forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.ecology.backtest.held_out import CountScoreRow
from seqsci.domains.ecology.backtest.held_out_text import LATER_PRIOR, text
from seqsci.domains.ecology.bank import CellGrid, CrossFittedBank, PopulationBank
from seqsci.domains.ecology.bank_calendar import CalendarBank, reach, share_of_later_priors
from seqsci.domains.ecology.reading.panel import CountPanel, count_panel
from seqsci.errors import DataError

GRID = CellGrid((0.0, 0.5, 0.8, 1.0), (0.0, 0.1), (0.0, 0.5), (0.0,), (1.0, 0.8), (0.02, 0.1), 1.5)
BANK = PopulationBank(GRID, freedoms=(1.0, 2.0), parts=2)


def panel(starts: tuple[int, ...], years: int = 30, changed_from: int = 10_000, add: float = 2.0) -> CountPanel:
    """Two series a cluster, a cluster a start; counts of calendar years from ``changed_from`` on alternate up and down by ``add``."""
    rows = []
    for i, start in enumerate(starts):
        for j in range(2):
            rng = np.random.default_rng((i, j))
            x = np.zeros(years)
            for t in range(1, years):
                x[t] = 0.6 * x[t - 1] + 0.3 * rng.normal()
            year = start + np.arange(years)
            x = np.where(year >= changed_from, x + add * (-1.0) ** year, x)
            rows.append(pd.DataFrame({"series_id": f"s{i}{j}", "cluster": f"c{i}", "year": year, "count": np.exp(4.0 + x)}))
    return count_panel(pd.concat(rows))


STARTS = (1900, 1903, 1906, 1930, 1960)


def test_no_later_calendar_year_of_any_series_changes_a_forecast_by_a_bit() -> None:
    cut = 1940
    plain, changed = panel(STARTS), panel(STARTS, changed_from=cut)
    before = plain.year[plain.test_rows] < cut
    assert before.sum() > 20 and (~before).sum() > 10
    one, other = (CalendarBank(BANK, 2).forecast(p) for p in (plain, changed))
    for part in ("mean", "log_density", "crps", "pit"):
        assert np.isfinite(getattr(one, part)).all()
        assert np.array_equal(getattr(one, part)[before], getattr(other, part)[before])
    one, other = (CrossFittedBank(BANK, 2).forecast(p) for p in (plain, changed))
    assert not np.array_equal(one.log_density[before], other.log_density[before])  # that of whole training windows does change


def test_where_all_training_windows_end_before_the_first_test_year_it_is_the_cross_fitted_bank() -> None:
    data = panel((1950,) * 5)
    assert share_of_later_priors(data) == 0.0
    calendar, crossed = CalendarBank(BANK, 2).forecast(data, 2), CrossFittedBank(BANK, 2).forecast(data, 2)
    for part in ("mean", "log_density", "crps", "pit"):
        assert np.array_equal(getattr(calendar, part), getattr(crossed, part), equal_nan=True)


def test_a_series_before_all_others_is_forecast_from_an_even_prior() -> None:
    data = panel((1800, 1950, 1951, 1952, 1953))
    found = CalendarBank(BANK, 2).forecast(data)
    alone = PopulationBank(GRID, freedoms=(), rounds=0).fit(data).forecast(data)
    oldest = np.array([data.cluster[i] == "c0" for i in data.test_series])
    assert np.array_equal(found.log_density[oldest], alone.log_density[oldest])


def test_the_share_of_later_priors_counts_forecasts_that_another_sources_window_reaches() -> None:
    data = panel((1900, 1905))
    begin, last = reach(data)
    assert begin.tolist() == [1921, 1921, 1926, 1926] and last.tolist() == [1920, 1920, 1925, 1925]
    assert share_of_later_priors(data) == pytest.approx(5 / 18)  # 1921 to 1925 of the older source's 1921 to 1929; none of the other's
    assert share_of_later_priors(data, panel((1850,))) == 0.0 and share_of_later_priors(data, panel((2000,))) == 1.0
    with pytest.raises(DataError, match="too few clusters"):
        CalendarBank(BANK, 3).forecast(data)


def test_a_held_out_text_says_where_the_prior_of_the_bank_comes_from_and_only_where_there_is_a_bank() -> None:
    walk, bank = (CountScoreRow(n, 1.0, 0.5, 0.3, -0.9, 0.9, 1.0) for n in ("random walk", CrossFittedBank().name))
    assert LATER_PRIOR in text(("heading",), (walk, bank), (), "random walk", False).splitlines()
    assert LATER_PRIOR not in text(("heading",), (walk,), (), "random walk", False)
