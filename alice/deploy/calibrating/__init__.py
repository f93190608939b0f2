"""Measures one single arm: a person leads it by hand, and what its servos then say becomes its calibration file."""
