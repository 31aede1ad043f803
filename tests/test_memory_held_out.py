"""The comparison of a run: one verdict, and no row or baseline that goes missing without a word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from seqsci.domains.memory import models, study
from seqsci.domains.memory.backtest.evaluation import MARGIN, Claim, compare
from seqsci.domains.memory.backtest.held_out import held_out
from seqsci.domains.memory.backtest.outliers import KeepAll, OptimizerOutliers
from seqsci.domains.memory.backtest.protocol import RecallPredictor, run
from seqsci.domains.memory.baselines.half_life_regression import SharedHalfLifeRegression
from seqsci.domains.memory.baselines.moving_average import MovingAverage
from seqsci.domains.memory.manifest import DEFAULT_BASELINES, OPTIONS
from seqsci.domains.memory.population import PRIORS
from seqsci.domains.memory.simulator import RandomIntervals, simulate_log
from seqsci.errors import ArtefactError, DataError
from seqsci.evaluate.comparison import Comparison
from seqsci.evaluate.joint_bootstrap import Estimate
from seqsci.report.artefacts import _held_out
from seqsci.report.comparison import held_out_section
from seqsci.rundir import write_comparison
from tests.memory_laws import simulated
from tests.memory_predictors import Online, Share

TRUTH = models.sbd().start_at(decay=0.3)


@dataclass(frozen=True)
class NoOthers(Share):
    """Refuses the other users."""

    def given_others(self, others: pd.DataFrame) -> RecallPredictor:
        raise DataError("these others are too few\n  got: 1")


FRAME = simulated(users=3, cards=25, reviews=10)
ONE, REST = FRAME[FRAME["user"] == 0].reset_index(drop=True), FRAME[FRAME["user"] != 0]


def test_a_baseline_that_refuses_the_other_users_is_left_out_and_the_rest_are_compared() -> None:
    found = held_out([Share(), NoOthers("picky"), Share("off", 0, 0.3)], ONE, REST, False, "development", 0, None, KeepAll())
    assert [s.model for s in found.scores] == ["share", "off"]
    assert "not compared: picky: the other users: these others are too few" in str(found)
    with pytest.raises(DataError, match="too few"):
        held_out([NoOthers("picky"), Share()], ONE, REST, False, "development", 0, None, KeepAll())


def test_a_baseline_keeps_its_name_when_it_has_seen_the_other_users() -> None:
    shared = SharedHalfLifeRegression()
    found = held_out([Share(), shared], ONE, REST, False, "development", 0, None, KeepAll())
    assert [s.model for s in found.scores] == ["share", shared.name]


def test_online_predictors_are_scored_and_have_no_difference() -> None:
    found = held_out([Share(), Online(), MovingAverage(), Share("off", 0, 0.3)], ONE, ONE[:0], False, "development", 0, None, KeepAll())
    assert [d.baseline for d in found.differences] == ["off"]
    assert {s.model for s in found.scores if s.online} == {"row before", MovingAverage().name}


@pytest.mark.parametrize("stated", [0.3, 0.6, 0.79, 0.8])
def test_a_run_holds_one_verdict_that_of_the_claim_with_its_margin(stated: float) -> None:
    found = held_out([Share(), Share("other", 0, stated)], ONE, ONE[:0], False, "development", 0, None, KeepAll())
    claim, d = found.comparison.difference("other").here.verdict(MARGIN), found.differences[0]
    words = {"better": "OURS IS WORSE", "worse": "ours is better"}  # the claim is about the other one
    assert d.verdict == words.get(claim, claim) and claim in str(found)
    assert d.outcome == {"better": "loss", "worse": "win"}.get(claim, "tie")


def test_a_significant_difference_within_the_margin_is_a_tie() -> None:
    near = Claim(Estimate(-0.001, -0.0015, -0.0005), Estimate(-0.001, -0.0014, -0.0006))
    assert near.verdict(MARGIN) == "equivalent within 0.003" == near.reversed().verdict(MARGIN)
    far = Claim(Estimate(-0.1, -0.15, -0.05), Estimate(-0.1, -0.14, -0.06))
    assert (far.verdict(MARGIN), far.reversed().verdict(MARGIN)) == ("better", "worse")


def test_the_heading_counts_the_rows_that_the_rule_for_outliers_dropped() -> None:
    frame = simulated(users=1, cards=60, reviews=6)
    gone = OptimizerOutliers().anywhere(frame) & (frame["scored"] == 1).to_numpy()
    assert gone.sum() > 10
    test = run([Share()], frame)
    assert test.dropped == gone.sum()
    assert f"OptimizerOutliers, which dropped {gone.sum():,} of the scored reviews" in str(compare(test, "share", tried=1))
    assert run([Share()], frame, outliers=KeepAll()).dropped == 0


def test_simulated_reviews_are_compared_on_all_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = {"simulated": {"cards": 60, "reviews": 8, "seed": 1}}
    built = study.build(
        {"name": "simulated", "domain": "memory", "data": drawn, "prior": "none", "comparison": {"baselines": ["constant"]}}
    )
    assert built.held_out is not None
    found = built.held_out(cast(object, None), None)  # type: ignore[arg-type]
    assert "KeepAll, which dropped 0" in str(found)
    scored = int(built.frame["scored"].sum())
    assert f"{5 * (scored // 6):,} reviews of one user" in str(found)


def test_other_users_that_make_no_prior_leave_the_shipped_one_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = simulate_log([TRUTH] * 2, 2, 4, RandomIntervals(), 3)
    own = study._with_prior(models.sbd(), "population", tiny, False)
    said = capsys.readouterr().out
    assert own.prior is not None and own.prior.source == PRIORS["AdditiveStability"].source
    assert "the file's other users make no prior" in said and "prior: none" in said
    assert "six Anki users" in said and "of no use in judging" in said
    bare = study._with_prior(models.power(), "population", tiny, False)
    assert bare.active_prior is None and "no prior is shipped for power trace" in capsys.readouterr().out
    assert study._with_prior(models.sbd(), "none", tiny, False).active_prior is None and capsys.readouterr().out == ""


def test_the_way_out_of_a_prior_is_an_option_of_the_shell() -> None:
    assert "prior" in OPTIONS and "--prior none" in study.SHIPPED_NOTE


def test_defaults_of_the_shell_are_known_and_stand_under_the_rule_where_they_can() -> None:
    known = {b.name for b in study.BASELINES}
    assert {*DEFAULT_BASELINES, *study.WITH_OTHERS.values()} <= known and set(study.WITH_OTHERS) <= set(DEFAULT_BASELINES)
    for name in DEFAULT_BASELINES:
        assert f"{name}, or default" not in known or name.startswith("moving"), f"{name} could keep a default"


def test_verdicts_come_back_from_disk_as_they_were_decided(tmp_path: Path) -> None:
    others = [Share("far off", 0, 0.2), Share("again"), Share("near", 0, 0.79), Online()]
    found = held_out([Share(), *others], ONE, ONE[:0], False, "development", 0, None, KeepAll())
    write_comparison(tmp_path, cast(Comparison, found))
    read = _held_out(tmp_path)
    assert read is not None and [d.verdict for d in read.differences] == [d.verdict for d in found.differences]
    assert [d.outcome for d in read.differences] == [d.outcome for d in found.differences]
    assert {"win", "tie"} <= {d.outcome for d in read.differences}
    section = held_out_section(read, "development")
    assert (
        section["won"] + section["tied"] + section["lost"] == 3
        and "row before" not in section["wins"] + section["ties"] + section["losses"]
    )
    assert "equivalent within 0.003" in [d["verdict"] for d in section["differences"]]
    table = tmp_path / "differences.csv"
    table.write_text(table.read_text().replace("ours is better", "OURS IS WORSE"))
    with pytest.raises(ArtefactError, match="verdict"):
        _held_out(tmp_path)


def test_a_comparison_with_online_predictors_alone_can_be_read_again(tmp_path: Path) -> None:
    write_comparison(tmp_path, cast(Comparison, held_out([Share(), Online()], ONE, ONE[:0], False, "development", 0, None, KeepAll())))
    read = _held_out(tmp_path)
    assert read is not None and read.differences == () and len(read.scores) == 2
    assert held_out_section(read, "development")["won"] == 0
