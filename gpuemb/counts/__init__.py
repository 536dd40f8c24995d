"""From token ids to co-occurrence counts and what they say about words."""
