"""How long things take, on your machine, and beside other libraries: see README.md in this folder."""
