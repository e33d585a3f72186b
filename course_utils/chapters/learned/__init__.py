"""The chapter "Learned reconstruction and its dangers"."""
