"""Figures from market types. Pure: no network, disk, clock or asyncio."""
