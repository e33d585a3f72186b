"""The chapter "Bilevel learning"."""
