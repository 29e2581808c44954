"""Generated source systems for the local environment. Not here: anything a site would run."""
