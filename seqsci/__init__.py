"""Scientific models of sequences with memory: write a mechanism once, as its equation."""

__version__ = "0.1.0"
