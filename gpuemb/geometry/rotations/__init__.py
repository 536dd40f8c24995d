"""Best orthogonal maps between tables and the distances they leave."""
