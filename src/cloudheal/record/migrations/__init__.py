"""The tables' revisions, in order; `record.schema` applies them, nobody runs this folder by hand."""
