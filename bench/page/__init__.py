"""Runs the benches of this folder and makes docs/benchmarks.md of what they told: see __main__.py."""
