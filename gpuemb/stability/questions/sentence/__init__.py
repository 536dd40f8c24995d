"""Whether the similarities between the words of a text come out the same."""
