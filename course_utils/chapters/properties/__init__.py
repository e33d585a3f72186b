"""The chapter "Desired properties"."""
