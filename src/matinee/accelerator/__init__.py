"""Heavy linear algebra of training on a GPU, by JAX (extra `gpu`); without one, callers do it by BLAS and Numba."""
