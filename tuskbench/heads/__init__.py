"""Keypoint heads: feature maps to detections and score maps."""
