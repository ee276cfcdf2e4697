"""The probabilistic models of the book; each file is a derivation."""
