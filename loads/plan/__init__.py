"""Which load, and when: pure values. Parses text, reads no file, no clock."""
