"""The studio for data scientists: Streamlit over the core's HTTP interface (docs/decisions/0006)."""
