"""Commands that explain Services, rules, packets and manifests."""
