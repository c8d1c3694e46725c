"""What is said to an endpoint and what it answers, a file a container."""
