"""Many models from a few lists: what a study crosses."""
