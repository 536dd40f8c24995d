"""What everybody downstream takes: words with vectors."""
