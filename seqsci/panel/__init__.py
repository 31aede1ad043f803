"""Panels: one model fitted to very many series, a row a series, whatever single ones may hold."""
