"""probgraph."""
