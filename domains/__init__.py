"""Scientific domains of seqsci: one folder a domain, imported as seqsci.domains.<name>."""
