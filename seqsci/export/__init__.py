"""A fitted model as one source file that depends on nothing: its equations, its parameters, and an interval solver."""
