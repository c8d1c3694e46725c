"""Measurements that write their figures as JSON: `make campaign NAME=<module here> OUT=<json>`."""
