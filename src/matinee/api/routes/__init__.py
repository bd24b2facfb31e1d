"""Routes of the core service, one file a resource."""
