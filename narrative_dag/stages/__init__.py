"""The stages of a cycle: each takes tables, folders and a configuration, and returns tables, figures and folders."""
