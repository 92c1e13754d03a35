"""Clients of other people, as they come from npm, against our server."""
