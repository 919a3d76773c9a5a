"""Entities in users' own texts: files in, files out, as fast as one machine allows."""
