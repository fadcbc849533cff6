"""MIST and the systems that share its networks, as plugins of tuskbench."""
