"""Co-occurrence counts of token ids, and measures of them."""
