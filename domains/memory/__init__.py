"""Human memory: forgetting models of review logs beside FSRS, half-life regression and SM-2."""
