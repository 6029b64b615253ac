"""From a result to what a page shows: see `whole`."""
