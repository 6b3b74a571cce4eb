"""Ask servers themselves whether they serve; one file for each kind of question, and one for the line to them."""
