"""Training an encoder of one's own on plain text: reading, word-pieces, objectives, and the run itself."""
