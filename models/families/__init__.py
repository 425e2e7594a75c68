"""The YOLO families that people bring, in plain PyTorch: YOLOv5 (both heads), YOLOv8 and YOLO11 detectors."""
