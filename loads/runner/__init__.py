"""`run(spec)`: follow a run to its end, here or (later) on a cluster."""
