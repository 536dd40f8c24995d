"""The page people open: claims, figures and a searchable table of words."""
