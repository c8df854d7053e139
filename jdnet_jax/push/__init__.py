"""A student on the Hugging Face hub: its weights, its files and a page about it, made here and sent there."""
