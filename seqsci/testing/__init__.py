"""Public contract tests: the laws that every gate, observation, model and predictor keeps, to be called on your own.

    from seqsci.testing import check_gate, check_model

    def test_my_gate_keeps_the_laws():
        check_gate(MyGate())

Each function raises AssertionError with the law that is broken, what was got, what was expected and what to do.
"""

from seqsci.testing.gates import check_gate, check_parameter
from seqsci.testing.models import MODEL_LAWS, check_model, check_recovery
from seqsci.testing.observations import check_observation
from seqsci.testing.predictors import check_predictor

__all__ = ["MODEL_LAWS", "check_gate", "check_model", "check_observation", "check_parameter", "check_predictor", "check_recovery"]
