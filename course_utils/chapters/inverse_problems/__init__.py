"""The chapter "Inverse problems"."""
