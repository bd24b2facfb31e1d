"""Request and answer models of the core service."""
