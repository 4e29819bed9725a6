"""Freehold's composition functions: self-hosted LLM inference as two Crossplane claims."""
