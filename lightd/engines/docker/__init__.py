"""The engines that run containers: Docker, and a fake one in virtual time."""
