"""What is no JPEG, PNG or WebP, whatever it is called."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator

from tests.corpus.case import NOT_AN_IMAGE, UNSUPPORTED, Case, encoded, photo


def foreign() -> list[Case]:
    return [*_pictures(), *_others()]


def _pictures() -> Iterator[Case]:
    image = photo()
    frames = [image.rotate(90)]
    yield Case("gif", encoded(image, "GIF"), UNSUPPORTED)
    yield Case("gif animated", encoded(image, "GIF", save_all=True, append_images=frames), UNSUPPORTED)
    yield Case("bmp", encoded(image, "BMP"), UNSUPPORTED)
    yield Case("tiff", encoded(image, "TIFF"), UNSUPPORTED)
    yield Case("tiff, the other byte order", b"MM\0*\0\0\0\x08" + b"\0" * 100, UNSUPPORTED)
    yield Case("icon", encoded(image.resize((64, 64)), "ICO"), UNSUPPORTED)
    yield Case("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500, UNSUPPORTED)
    yield Case("avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 500, UNSUPPORTED)
    yield Case("jpeg xl", b"\xff\x0a" + b"\0" * 500, UNSUPPORTED)
    yield Case("jpeg 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 500, UNSUPPORTED)
    yield Case("photoshop", b"8BPS\0\x01" + b"\0" * 500, UNSUPPORTED)
    yield Case("video", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0" * 500, UNSUPPORTED)
    yield Case("svg", b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>', UNSUPPORTED)
    yield Case("svg with an entity bomb", _entities() + b"<svg>&c;</svg>", UNSUPPORTED)
    yield Case("pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n", UNSUPPORTED)


def _entities() -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>'


def _others() -> Iterator[Case]:
    yield Case("0 bytes", b"", NOT_AN_IMAGE)
    yield Case("1 byte", b"\xff", NOT_AN_IMAGE)
    yield Case("text called image/jpeg", b"I am a JPEG, believe me.\n" * 40, NOT_AN_IMAGE)
    yield Case("html", b"<!doctype html><title>404</title><p>not found", NOT_AN_IMAGE)
    yield Case("json", b'{"image": "none"}', NOT_AN_IMAGE)
    yield Case("json that nests", b"[" * 100000, NOT_AN_IMAGE)
    yield Case("base64 text of a picture", b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQ" * 9, NOT_AN_IMAGE)
    yield Case("zip", b"PK\x03\x04" + b"\0" * 300, NOT_AN_IMAGE)
    yield Case("gzip bomb", gzip.compress(b"\0" * (8 * 1024 * 1024), 9), NOT_AN_IMAGE)
    yield Case("program", b"\x7fELF\x02\x01\x01" + b"\0" * 500, NOT_AN_IMAGE)
    yield Case("zeros", b"\0" * 100000, NOT_AN_IMAGE)
    yield Case("noise", bytes(random.Random(7).randrange(256) for _ in range(5000)), NOT_AN_IMAGE)
    yield Case("sound in a RIFF", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 100, NOT_AN_IMAGE)
    yield Case("a picture behind a line end", b"\r\n" + encoded(photo(), "JPEG"), NOT_AN_IMAGE)
