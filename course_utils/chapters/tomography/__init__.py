"""The chapter "Tomography"."""
