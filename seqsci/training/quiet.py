"""Keeps exactly those lines of Lightning away that say nothing to a user."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator

NOISE = (
    "GPU available",
    "TPU available",
    "HPU available",
    "`Trainer.fit` stopped",
    "`Trainer(limit_val_batches",
    "Tip: For seamless",
    "💡 Tip",
    "Restoring states from the checkpoint",
    "Restored all states from the checkpoint",
    "Seed set to",
    "Detected KeyboardInterrupt",
    "Received SIGTERM",
)
"""Starts of log lines that say nothing to a user; every other line passes."""


HUSHED = ("LeafSpec", "log_every_n_steps", "does not have many workers", "Checkpoint directory", "LightningCLI's args parameter")
"""Warnings that say nothing to a user."""


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = re.sub(r"^\[rank: \d+\] ", "", record.getMessage().lstrip("\n"))
        return not text.startswith(NOISE)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Filter while the body runs."""
    names = {"pytorch_lightning", "lightning_fabric", *(n for n in logging.root.manager.loggerDict if "lightning" in n)}
    shown = [logging.getLogger(n) for n in names]
    noise = _Quiet()
    for logger in shown:
        logger.addFilter(noise)
        for handler in logger.handlers:
            handler.addFilter(noise)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*({'|'.join(HUSHED)}).*")
        yield
    for logger in shown:
        logger.removeFilter(noise)
