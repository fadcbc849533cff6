"""A clustering regularizer for tuskbench, and a package to copy from."""
