"""Keeps the number of pods that a ReplicationController asks for, by the logic of ReplicaSets."""
