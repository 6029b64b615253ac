"""The dashboard: a web server that shows runs to whoever is let in. It looks on, and nothing depends on it."""
