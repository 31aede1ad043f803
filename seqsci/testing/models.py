"""Laws of models: every law of kernels and cells at once, and recovery of the parameters that data were simulated from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.sequences import Sequences
from seqsci.testing.cells import CELL_LAWS
from seqsci.testing.gates import check_gate, check_parameter
from seqsci.testing.kernels import KERNEL_LAWS
from seqsci.testing.requirement import require, require_equal, require_pickles


def declarations_hold(model: Model, sequences: Sequences) -> None:
    """Parameters round-trip, gates keep their laws, derived quantities are finite numbers inside their sets at the model's values."""
    for parameter in model.mechanism.own_parameters:
        check_parameter(parameter)
    for gate in model.mechanism.gates.values():
        check_gate(gate)
    values = model.derived_values
    for derived in model.derived:
        low, high = derived.constraint.bounds
        value = values[derived.name]
        require(
            low <= value <= high,
            f"{derived.name} at {model.value}",
            value,
            derived.constraint.admissible,
            "check its expression or its set",
        )


def pickles(model: Model, sequences: Sequences) -> None:
    """The model and its mechanism come back from pickle equal, with the same hash."""
    require_pickles(model)
    require_pickles(model.mechanism)


MODEL_LAWS: tuple[Callable[[Model, Sequences], None], ...] = (declarations_hold, pickles, *KERNEL_LAWS, *CELL_LAWS)


def check_model(model: Model, sequences: Sequences) -> None:
    """Raise AssertionError with every law that a model breaks on sequences for it; kernels are compiled at the first call.

    Laws: back ends agree in value and gradient; the score is that of the log densities; the time contract, by replacing outcomes;
    padding, missing outcomes and other units never enter; a batch equals its samples; streaming equals a whole pass; saved
    parameters come back; gates stay in range; knock-outs have their closed form; declarations hold; the model pickles.
    """
    faults = []
    for law in MODEL_LAWS:
        try:
            law(model, sequences)
        except AssertionError as error:
            faults.append(f"{law.__name__}: {error}")
    if faults:
        raise AssertionError(f"{model.name} breaks {len(faults)} of {len(MODEL_LAWS)} laws\n" + "\n".join(faults))


def check_recovery(
    model: Model,
    rows: int,
    known: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    estimator: MaximumLikelihood | None = None,
    deviations: float = 4.0,
) -> None:
    """Raise AssertionError where a fit to ``rows`` rows simulated from the model does not find the model's values again.

    Laws: every free parameter has a standard error, and lies within ``deviations`` of them, on the raw scale, of the value that was
    simulated from; the likelihood at the estimates is at least that at those values.
    """
    sequences = model.simulate(rows, seed, known)
    fit = (estimator or MaximumLikelihood()).fit(model, sequences)
    require(
        not fit.at_bound,
        f"{model.name} is recovered at a bound",
        fit.at_bound,
        "estimates inside",
        "simulate from values that the data identify",
    )
    packed = model.pack(sequences, fit.presamples)
    truth = -model.kernel(not packed.observed.all()).score(model.kernel_values, packed).nll
    require(
        fit.log_likelihood >= truth - 1e-6,
        f"{model.name}: the fit is no maximum",
        fit.log_likelihood,
        f">= {truth}",
        "give starting_values",
    )
    table = {p.name: p for p in model.parameters}
    error = dict(zip(fit.free_names, np.sqrt(np.diag(fit.covariance_raw)), strict=True))
    for name in model.free_names:
        inverse = table[name].constraint.inverse
        off = abs(inverse(fit.value[name]) - inverse(model.value[name])) / error[name]
        law = f"{model.name}: {name} is not recovered from {rows} rows"
        require(
            off < deviations,
            law,
            f"{fit.value[name]:.4g}, {off:.2g} standard errors away",
            f"{model.value[name]:.4g}",
            "simulate more rows, or check identification",
        )
    require_equal(
        "estimation changed the model", model.kernel_values, [model.value[p.name] for p in model.kernel_parameters], "report this"
    )
