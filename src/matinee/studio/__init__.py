"""The studio for those who build recommenders: Streamlit over the core's HTTP interface (docs/decisions/0006)."""
