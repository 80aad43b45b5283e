"""The run: walks segments and states in order; gates, seals, plans, executes and bundles."""
