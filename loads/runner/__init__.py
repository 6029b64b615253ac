"""`run(spec)`: follow a run to its end, here or on a cluster."""
