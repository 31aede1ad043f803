"""Memory: reviews of flash cards, forgetting curves, and what they are compared with."""
