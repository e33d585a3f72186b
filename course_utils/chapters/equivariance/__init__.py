"""Chapter 10: equivariance."""
