"""The chapter "Generative models"."""
