"""The chapter "MRI"."""
