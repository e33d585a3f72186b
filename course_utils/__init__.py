"""Regularising inverse problems with generative models: the library behind the course."""
