"""Who is near whom, exactly, and whether another run agrees."""
