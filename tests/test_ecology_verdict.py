"""A verdict is no more certain than its interval: random walks, rival models of K, and what is comparable between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.ecology.inference.density_dependence import density_dependence
from seqsci.domains.ecology.inference.drift import ConstantCapacity, FlexibleTrend, RandomWalkCapacity, SmoothCapacity
from seqsci.domains.ecology.inference.observation_error import UNKNOWN
from seqsci.domains.ecology.inference.profile import estimate_dependence
from seqsci.domains.ecology.inference.rival import FAR, Beside, find_rival
from seqsci.domains.ecology.inference.sites import Site
from seqsci.domains.ecology.inference.verdict import IDENTIFIED, LOOSE, RULE
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.simulator import HISTORIES, Population


@pytest.fixture(scope="module")
def skins():
    return density_dependence(lynx())


@pytest.mark.parametrize(("sites", "years"), [(1, 100), (20, 40)])
def test_a_random_walk_is_never_called_identified_although_its_interval_is_narrow(sites: int, years: int) -> None:
    rng = np.random.default_rng(5)
    verdicts = []
    for _ in range(6):
        counts = rng.normal(0, 0.2, (sites, years)).cumsum(1) + rng.normal(0, 0.2, (sites, years))
        panel = [Site(str(i), str(i), 0, y) for i, y in enumerate(counts)]
        verdicts.append(RULE.judge(*(estimate_dependence(panel, FlexibleTrend(n), UNKNOWN) for n in (RULE.few, RULE.many))))
    narrow = [v for v in verdicts if v.width < RULE.widest]
    assert len(narrow) >= 3 and all(v.name != IDENTIFIED for v in verdicts)
    loose = [v for v in narrow if v.name == LOOSE]
    assert loose and all("no density dependence (phi = 1) is not excluded" in str(v) for v in loose)


def test_a_model_that_is_far_more_likely_and_contradicts_the_headline_is_named(skins) -> None:
    rival, table = skins.verdict.rival, skins.to_frame()
    assert rival is not None and rival.model == "random-walk K, lagged" and rival.gain > FAR
    assert rival.high < skins.headline.low and skins.verdict.name == LOOSE
    assert f"random-walk K, lagged is more likely by {rival.gain:.0f} nats" in str(skins.verdict)
    assert rival.dependence == table.loc[rival.model, "dependence"]


def test_what_a_rival_gains_does_not_depend_on_the_unit_of_log_counts_but_raw_differences_do() -> None:
    y = np.log(lynx()["count"].to_numpy())
    gains, raw = [], []
    for scale in (1.0, 10.0):
        sites = [Site("lynx", "lynx", 1821, scale * y)]
        drifts = (FlexibleTrend(6), RandomWalkCapacity())
        head, walk = (estimate_dependence(sites, d, UNKNOWN) for d in drifts)
        found = find_rival(sites, (drifts[0], head), [(drifts[1], walk)], UNKNOWN)
        assert found is not None
        gains.append(found.gain)
        raw.append(walk.log_likelihood - head.log_likelihood)
    assert gains[0] == pytest.approx(gains[1], abs=1e-6) and abs(raw[0] - raw[1]) > 10


def test_regressors_that_are_there_already_are_not_swept_out_twice() -> None:
    head = FlexibleTrend(6)
    assert Beside(ConstantCapacity(), head).regressors(40).shape == (40, 6)
    both = [Beside(*pair).regressors(40) for pair in ((SmoothCapacity(), head), (head, SmoothCapacity()))]
    assert [b.shape for b in both] == [(40, 7)] * 2 and np.linalg.matrix_rank(np.column_stack(both)) == 7


def test_models_that_agree_have_no_rival() -> None:
    frame: pd.DataFrame = Population().frame(HISTORIES["const"], sites=5, seed=1)
    assert density_dependence(frame, terms=(2, 6)).verdict.rival is None
