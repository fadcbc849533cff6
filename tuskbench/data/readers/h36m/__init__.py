"""Human3.6M in the layouts it is passed on in: its authors', TUSK's and lmdis-rep's."""
