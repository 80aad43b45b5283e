"""What every other package needs: errors, identities, names, plain files and texts.

This package imports nothing else of `sim`.
"""
