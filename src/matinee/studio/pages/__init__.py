"""The pages of the studio, each `show() -> None`."""
