from __future__ import annotations

import pytest

from chalicelib.adapters.embedded.photos_under_way import PhotosUnderWay


def test_a_photo_is_alone_until_another_comes() -> None:
    photos = PhotosUnderWay()
    with photos.one_more() as first:
        with photos.one_more() as second:
            assert (first, second) == (True, False)
        with photos.one_more() as third:
            assert third is False
    with photos.one_more() as last:
        assert last is True


def test_a_photo_that_fails_is_under_way_no_more() -> None:
    photos = PhotosUnderWay()
    with pytest.raises(ValueError, match="broken"), photos.one_more():
        raise ValueError("broken")
    with photos.one_more() as is_alone:
        assert is_alone
