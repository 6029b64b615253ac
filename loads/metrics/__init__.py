"""What was measured: mergeable values with stated errors. Pure: no socket, clock or file."""
