"""The page "For you": rate movies on a wall of posters, and see the recommendations change."""

from matinee.web.pages.foryou.page import build as build
