"""A thing that every process and every thread opens for itself: readers of indexed files share a place in the file, and mix up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerWorker(Generic[T]):
    """Opens on first use in each process and thread; a pickle or a fork takes along how to open, not what is open.

    >>> PerWorker(dict).get()
    {}
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self.make = make
        self._local, self._process = threading.local(), os.getpid()

    def get(self) -> T:
        """The open thing of this process and thread."""
        if self._process != os.getpid():  # after a fork: what the parent opened stays the parent's
            self._local, self._process = threading.local(), os.getpid()
        if not hasattr(self._local, "thing"):
            self._local.thing = self.make()
        thing: T = self._local.thing
        return thing

    def __getstate__(self) -> dict[str, Any]:
        """How to open it."""
        return {"make": self.make}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["make"])  # type: ignore[misc]
