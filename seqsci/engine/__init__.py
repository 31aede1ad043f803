"""The linear recurrence ``c_t = f_t c_{t-1} + u_t`` as one operator with every derivative."""

from seqsci.engine.api import elapsed_decay, linear_scan

__all__ = ["elapsed_decay", "linear_scan"]
