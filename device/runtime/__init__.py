"""The model runtime: one implementation for the camera, the API, the serving container and the evaluation.

Standard library only: manifest (manifest_types, manifest_fields, document), image_header (jpeg_, png_, webp_header,
exif, image_errors), decision (probabilities, checks, detections), artifact. Pillow as well: image, fit, scene.
Numpy as well: tensor, ssd, predictor, engines.
"""
