"""Kinds that a CustomResourceDefinition declares: codec, checks, columns and documents, made of its schema."""
