"""What a factorization looks like: tables, a picture, a page."""
