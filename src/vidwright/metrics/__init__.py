"""Measures of picture quality: tensors in, figures out."""
