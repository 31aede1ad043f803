"""Gates: reusable pieces of equation with values in [0, 1], each with its own parameters."""
