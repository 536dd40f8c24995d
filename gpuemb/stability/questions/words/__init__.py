"""Which words are unstable, and what goes with it."""
