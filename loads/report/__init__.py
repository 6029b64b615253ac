"""What a person or a CI reads of a run."""
