"""The smallest possible relay: what is left to save."""
