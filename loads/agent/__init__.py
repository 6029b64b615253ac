"""One machine's share of a run: runs it in a pool of workers and delivers what was measured."""
