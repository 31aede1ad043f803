"""What the field scores element-gene pairs with: distance, power law, activity by contact, regressions, boosting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.contact import BankContact, Contact, InverseDistance, PowerLaw
from seqsci.domains.genomics.enhancer.pair_gates import FEATURES, Activity, PairGate
from seqsci.domains.genomics.enhancer.pairs import distances, labels, middles
from seqsci.domains.genomics.enhancer.protocol import FittedPairs, PairPredictor
from seqsci.errors import MissingExtraError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ContactScore(PairPredictor, FittedPairs):
    """Contact times activity, nothing fitted: 1/distance, the numerator of activity by contact, a bank as it is.

    Attributes: contact: law of distance; activity: of the element, or None for contact alone; name: for tables.
    """

    contact: Contact
    activity: Activity | None = None
    name: str = "contact"

    @property
    def label(self) -> str:
        return self.name

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        return self

    def predict(self, frame: pd.DataFrame) -> Array:
        score = self.contact.log_contact(distances(frame), self.contact.start)
        return np.exp(score + (0.0 if self.activity is None else self.activity.log(frame)))


@dataclass(frozen=True)
class KnockOutShare(PairPredictor, FittedPairs):
    """Share of what arrives at a promoter that is lost with the element, among the table's own elements and a promoter term.

    Formula: ``a_e K(d) / (sum over elements e' of the chromosome a_e' K(d') + promoter_activity mean(a) K(0))``. Elements that were not
    tested are missing from the denominator, so it is a stand-in for `shares.knock_out_shares` over all candidates.

    Attributes: bank; activity; promoter_activity: of each promoter, in means of the elements' activity.
    """

    bank: DecayBank = field(default_factory=DecayBank.log_spaced)
    activity: Activity = field(default_factory=Activity)
    promoter_activity: float = 5.0

    @property
    def label(self) -> str:
        return "knock-out share, tested elements"

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        return self

    def predict(self, frame: pd.DataFrame) -> Array:
        own, place, d = self.activity.values(frame), middles(frame), distances(frame).astype(np.int64)
        once = ~frame.duplicated(["chrom", "chromStart", "chromEnd"]).to_numpy()
        side = np.where(frame["startTSS"].to_numpy(np.int64) >= place, 1, -1) if "startTSS" in frame else np.ones(len(frame), np.int64)
        promoter, total, chrom = place + side * d, np.zeros(len(frame)), frame["chrom"].to_numpy(str)
        for name in np.unique(chrom):
            here = chrom == name
            total[here] = self.bank.scan(place[here & once], own[here & once], promoter[here])
        sent = own * self.bank.kernel(d)
        return np.asarray(sent / (total + self.promoter_activity * own[once].mean()))


@dataclass(frozen=True)
class LogisticRegression(PairPredictor):
    """Logistic regression on log distance and the gates' columns, standardised; scikit-learn's default penalty.

    Attributes: gates: the columns; name.
    """

    gates: tuple[PairGate, ...] = FEATURES
    name: str = "logistic, same features"

    @property
    def label(self) -> str:
        return self.name

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        pipeline, linear, _ = _sklearn()
        return _Fitted(pipeline(linear(C=1.0, max_iter=5000)).fit(_columns(frame, self.gates), labels(frame)), self.gates)


@dataclass(frozen=True)
class GradientBoosting(PairPredictor):
    """Histogram gradient boosting on log distance and the gates' columns; seeded.

    Attributes: gates: the columns; rounds: trees; depth: of each; learning_rate; seed.
    """

    gates: tuple[PairGate, ...] = FEATURES
    rounds: int = 150
    depth: int = 3
    learning_rate: float = 0.05
    seed: int = 0

    @property
    def label(self) -> str:
        return "gradient boosting, same features"

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        _, _, boosting = _sklearn()
        made = boosting(max_iter=self.rounds, max_depth=self.depth, learning_rate=self.learning_rate, random_state=self.seed)
        with one_thread():
            return _Fitted(made.fit(_columns(frame, self.gates), labels(frame)), self.gates)


@dataclass(frozen=True, eq=False)
class _Fitted(FittedPairs):
    estimator: object
    gates: tuple[PairGate, ...]

    def predict(self, frame: pd.DataFrame) -> Array:
        with one_thread():
            return np.asarray(self.estimator.predict_proba(_columns(frame, self.gates))[:, 1])  # type: ignore[attr-defined]


def _columns(frame: pd.DataFrame, gates: tuple[PairGate, ...]) -> Array:
    return np.column_stack([np.log(np.maximum(distances(frame), 1.0)), *(g.values(frame) for g in gates)])


def one_thread() -> Any:
    """A context in which scikit-learn runs on one thread: its small loops are far slower on several where a machine is shared."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "genomics", "A regression or boosting of pairs") from error
    return threadpool_limits(1)


def _sklearn() -> tuple[Any, ...]:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression as Linear
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "genomics", "A regression or boosting of pairs") from error
    return (lambda last: make_pipeline(StandardScaler(), last)), Linear, HistGradientBoostingClassifier


INVERSE_DISTANCE = ContactScore(InverseDistance(), None, "1/distance")
ABC_NUMERATOR = ContactScore(PowerLaw(), Activity(), "activity x power law (ABC numerator)")
BANK_UNFITTED = ContactScore(BankContact(), Activity(), "bank, weights 1/tau, nothing fitted")
BASELINES: dict[str, PairPredictor] = {
    "distance": INVERSE_DISTANCE,
    "power_law": ABC_NUMERATOR,
    "share": KnockOutShare(),
    "logistic": LogisticRegression(),
    "boosting": GradientBoosting(),
}
