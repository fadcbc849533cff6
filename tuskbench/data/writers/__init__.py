"""Writers of generated data in the official file formats."""
