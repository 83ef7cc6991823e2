"""The plan of an experiment: a pure function of settings, split and request."""
