"""The chapter "Classical solutions"."""
