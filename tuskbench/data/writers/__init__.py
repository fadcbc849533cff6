"""Writers of data sets in their official file formats."""
