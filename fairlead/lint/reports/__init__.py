"""Reports of `fairlead lint`: for people, and as JSON, SARIF and annotations of GitHub Actions."""
