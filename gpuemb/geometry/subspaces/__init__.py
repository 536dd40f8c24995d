"""The spaces that the columns of tables span, and how they lie to each other."""
