"""Location service, version 2015-06-12: classic SDKs ask it where a product is; the answer is always "here"."""
