"""An anchor-free YOLO in plain PyTorch."""
