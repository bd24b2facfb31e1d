"""Which movie somebody means: ids of other sites, titles with years."""
