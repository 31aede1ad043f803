"""From one plain-Python equation to LaTeX, derivatives, oracle and kernels."""
