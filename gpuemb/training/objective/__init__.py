"""What the objective of a trained model says of its vectors."""
