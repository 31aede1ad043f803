"""Does it matter that the bank's prior may come from later calendar years? The bank beside one whose prior does not. The last line is JSON.

python -m benchmarks.ecology_calendar

Needs SEQSCI_DATA, as benchmarks.ecology_forecasts, and has its data, protocol and folds. The cross-fitted prior of a series is learned
from whole training windows of other sources, some of which end after the forecast's year. The variant cuts every window off before the
first test year of the series that is forecast, so that it learns from less, too: the difference is of both together.
"""

from __future__ import annotations

import json
import time

import numpy as np

from seqsci.domains.ecology.backtest.comparison import compare
from seqsci.domains.ecology.backtest.protocol import CountForecaster, run
from seqsci.domains.ecology.bank import CrossFittedBank, PopulationBank
from seqsci.domains.ecology.bank_calendar import CalendarBank, reach, share_of_later_priors
from seqsci.domains.ecology.baselines.catalogue import BASELINES
from seqsci.domains.ecology.reading.panel import count_panel
from seqsci.domains.ecology.reading.sources import gpdd, salmon

BEST = ("drifting_capacity", "drifting_capacity_student", "gompertz_state_space", "gompertz_state_space_student")
"""Among them are the best baselines of benchmarks.ecology_forecasts."""


def main() -> None:
    clock = time.perf_counter()
    birds, fish = count_panel(gpdd()), count_panel(salmon())
    shares = {"gpdd": share_of_later_priors(birds), "salmon": share_of_later_priors(fish, birds)}
    print("share of forecasts whose prior is learned from a training window that reaches their calendar year or a later one:")
    print(f"GPDD {shares['gpdd']:.1%}; salmon, prior from GPDD {shares['salmon']:.1%}")
    begin = reach(birds)[0]
    print("first test years of GPDD, quantiles 0, 5, 25, 50, 75, 100 %:", np.quantile(begin, (0, 0.05, 0.25, 0.5, 0.75, 1)).astype(int))
    crossed, calendar = CrossFittedBank(PopulationBank()), CalendarBank(PopulationBank())
    baselines: list[CountForecaster] = [BASELINES[n]() for n in ("random_walk", *BEST)]
    result = compare(run([*baselines, crossed, calendar], birds), birds)
    print(result.text(calendar.name))
    own = result.difference(calendar.name, crossed.name)
    best = result.difference_to_best(calendar.name, [b.name for b in baselines])
    print(f"{calendar.name} minus the best baseline by each score: {best.rival}")
    figures = {f"later_prior_{k}": v for k, v in shares.items()}
    for name, d in (("calendar_minus_bank", own), ("calendar_minus_best", best)):
        for key, e in (("dcrps", d.log_crps), ("dls", d.log_score), ("drmse", d.log_rmse)):
            figures |= {f"{name}_{key}": e.value, f"{name}_{key}_low": e.low, f"{name}_{key}_high": e.high}
    print(f"{time.perf_counter() - clock:.0f} s")
    print(json.dumps({k: round(v, 5) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
