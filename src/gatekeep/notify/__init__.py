"""Tells people elsewhere of requests and takes their answers to the desk; decides nothing itself."""
