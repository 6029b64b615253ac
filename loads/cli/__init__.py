"""The commands. Thin: read files and environment, parse, wire, run."""
