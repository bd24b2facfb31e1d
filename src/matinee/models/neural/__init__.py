"""Neural recommenders: trained with Keras on JAX or with JAX (extra `neural`), served with NumPy alone."""
