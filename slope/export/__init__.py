"""Trained models as files of other tools: JSON, safetensors, ONNX, scikit-learn by skops.

Each module imports its library where it needs it: whoever lacks one still has the others.
"""
