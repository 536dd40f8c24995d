"""The only room that knows people: flags, bars and printed lines."""
