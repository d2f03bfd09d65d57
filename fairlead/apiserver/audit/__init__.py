"""The audit log: who did what, as far as a policy file asks for it. Imported only if it is on."""
