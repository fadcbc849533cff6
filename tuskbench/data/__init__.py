"""Official formats, generators and the on-disk cache."""
