"""What people ask of words: analogies, and whether vectors say what counts say."""
