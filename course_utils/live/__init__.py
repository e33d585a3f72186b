"""Figures that compute in the reader's browser: a small JavaScript engine, and what it needs of a generator."""

from .export import engine_source, generator_spec

__all__ = ["engine_source", "generator_spec"]
