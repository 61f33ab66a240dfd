//! Which operation, and whose account: routes and objects.
