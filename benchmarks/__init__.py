"""How long things take, on your machine: each file is a command, `python -m benchmarks.<name>`."""
