"""Finished tables of any model, which a study measures beside the ones that it trains."""
