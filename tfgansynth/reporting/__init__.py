"""Renderings of records: tables, pages, cards; and their verification."""
