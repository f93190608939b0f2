"""Servo buses: what is said to the servos and heard from them, one module for each protocol. No PyTorch."""
