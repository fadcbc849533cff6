"""Running cells: the worker, what it keeps, and what hands cells to workers."""
