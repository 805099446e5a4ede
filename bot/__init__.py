"""The process: settings, services, tasks and the front ends."""
