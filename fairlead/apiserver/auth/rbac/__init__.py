"""Role-based access control: rules, the index of bindings by subject, the authorizer, and upstream's default policy."""
