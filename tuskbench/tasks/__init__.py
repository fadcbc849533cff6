"""Tasks: data, protocol and metrics, one protocol a file."""
