"""A student on the Hugging Face hub: a folder with weights, files and a page about it, and its upload."""
