"""What all commands share: a greeting, flags of everywhere, words that a shell completes."""
