"""Keeps the numbered pods and claims of a StatefulSet, and rolls pods from template to template in order."""
