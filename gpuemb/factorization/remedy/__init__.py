"""What may be done about arbitrary cosines: changes of X before it is factorized, and their comparison."""
