"""Readers of users' files. A reader reads a file once, within a bound, and names every bad cell."""
