"""The columns that a model of pairs computes once, its scores and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.pairs import distances

if TYPE_CHECKING:
    from seqsci.domains.genomics.enhancer.models import PairModel

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """What a model asks of pairs, computed once: distances [bp], log activity and the columns of the gates."""

    model: PairModel
    distance: Array
    log_activity: Array
    gates: Array

    @classmethod
    def of(cls, model: PairModel, frame: pd.DataFrame) -> Design:
        d = distances(frame)
        activity = np.zeros(len(d)) if model.activity is None else model.activity.log(frame)
        gates = np.column_stack([g.values(frame) for g in model.gates]) if model.gates else np.zeros((len(d), 0))
        return cls(model, d, activity, gates)

    def split(self, raw: Array) -> tuple[float, float, Array, Array]:
        """Intercept, slope, raw contact parameters and coefficients of the gates."""
        head = 2 if self.model.objective.calibrated else 0
        place = head + len(self.model.contact.parameters)
        b, s = (float(raw[0]), float(raw[1])) if head else (0.0, 1.0)
        return b, s, raw[head:place], raw[place:]

    def score(self, raw: Array) -> Array:
        """Log odds, or log scores of a ranking (rows,)."""
        b, s, contact, beta = self.split(raw)
        arriving = self.model.contact.log_contact(self.distance, contact) + self.log_activity
        return np.asarray(b + s * arriving + self.gates @ beta)

    def jacobian(self, raw: Array) -> Array:
        """Derivatives of the scores by the raw parameters (rows, k); those of the contact law are central differences."""
        _, s, contact, _ = self.split(raw)
        columns = []
        if self.model.objective.calibrated:
            columns += [np.ones(len(self.distance)), self.model.contact.log_contact(self.distance, contact) + self.log_activity]
        for k in range(len(contact)):
            step = np.eye(len(contact))[k] * 1e-5 * max(1.0, abs(contact[k]))
            up, down = (self.model.contact.log_contact(self.distance, contact + sign * step) for sign in (1, -1))
            columns.append(s * (up - down) / (2 * step[k]))
        return np.column_stack([*columns, self.gates])
