"""Profiles that JAX wrote of a user's own run, read as measurements of a program's layers."""
