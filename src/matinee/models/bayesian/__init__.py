"""Star predictor by Bayesian matrix factorization with side features."""

from matinee.models.bayesian.model import BayesianStars, BayesianStarsConfig

__all__ = ["BayesianStars", "BayesianStarsConfig"]
