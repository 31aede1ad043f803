"""The linear recurrence ``c_t = f_t c_{t-1} + u_t`` as one operator with every derivative, and as a stream."""

from seqsci.engine.api import elapsed_decay, linear_scan
from seqsci.engine.stream import Carry, scan_chunks, scan_pieces

__all__ = ["Carry", "elapsed_decay", "linear_scan", "scan_chunks", "scan_pieces"]
