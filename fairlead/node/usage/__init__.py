"""Processor time and memory of a node's containers, measured when a client asks: nothing runs in between."""
