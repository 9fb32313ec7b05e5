"""Learning: fitting the parameters of a model to data."""
