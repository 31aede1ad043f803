"""Methylation kinetics: passages and hours after replication, sites that borrow from their neighbours, and their rivals."""
