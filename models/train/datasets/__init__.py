"""A person's own pictures with their boxes, as they lie on disk: YOLO's layout and COCO's, read and checked."""
