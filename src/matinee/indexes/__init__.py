"""Vector indexes behind one contract: exact, FAISS, Annoy, HNSW."""
