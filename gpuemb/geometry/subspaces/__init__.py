"""The spaces that the columns of tables span, and measures of two of them."""
