"""The master: pure policy (facts in, orders out) and the loop and hands that carry it out."""
