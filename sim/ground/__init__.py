"""What everything stands on: refusals, identities, names, plain files and texts.

It imports nothing else of `sim`.
"""
