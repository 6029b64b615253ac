"""Starts, watches and reaps workers, and reads the counters of the dead. The same for an agent and for a local run."""
