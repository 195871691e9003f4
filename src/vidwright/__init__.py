"""vidwright: generative models for video that a person can really use."""

__version__ = "0.1.0"
