"""Every message between processes, a typed struct each, and the only encoder."""
