"""A web page on which the exported student recognises food, in the browser."""
