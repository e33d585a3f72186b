"""The chapter "The wider family"."""
