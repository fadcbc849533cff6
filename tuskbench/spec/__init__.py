"""Specs: TOML files that say which cells a sweep has and how its table is laid out."""
