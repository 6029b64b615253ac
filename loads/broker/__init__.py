"""The cluster's middle: knows the agents, gives each its share of a run, and keeps what they measure."""
