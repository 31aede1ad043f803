"""Nodes of the one quadrature that equations use for the mean of a function of a standardised outcome."""

from __future__ import annotations

import numpy as np

POINTS = 161
REACH = 2.2

_t = np.linspace(-REACH, REACH, POINTS)
NODES: np.ndarray = np.sinh(np.pi / 2 * np.sinh(_t))
"""Double-exponential nodes ``z = sinh(pi/2 sinh t)``, from about -370 to 370, dense around 0."""
JACOBIANS: np.ndarray = np.cosh(np.pi / 2 * np.sinh(_t)) * np.pi / 2 * np.cosh(_t) * (_t[1] - _t[0])
"""dz of each node."""
