"""Who runs the units of a study: this process."""
