"""Clients of database servers, which stores and indexes share."""
