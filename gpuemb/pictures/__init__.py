"""How every picture looks, and where its labels stand."""
