"""The committed table of AWS's images. Imports so little that it runs where only SageMaker's SDK is installed."""

import pytest

from chalicelib.adapters.aws.image_uris import BUILT_IN, REGISTRIES, built_in_image
from chalicelib.domain.errors import ModelUnavailableError


@pytest.mark.parametrize(
    ("region", "uri"),
    [
        ("us-east-1", "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"),
        ("cn-north-1", "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/object-detection:1"),
        ("us-isob-east-1", "765400339828.dkr.ecr.us-isob-east-1.sc2s.sgov.gov/object-detection:1"),
    ],
)
def test_a_built_in_image_lies_in_its_regions_own_registry(region: str, uri: str) -> None:
    assert built_in_image("object-detection", region) == uri


def test_a_region_without_built_in_images_is_unavailable() -> None:
    with pytest.raises(ModelUnavailableError, match="mars-1"):
        built_in_image("object-detection", "mars-1")


def test_the_table_of_images_is_that_of_the_sdk() -> None:
    image_uris = pytest.importorskip("sagemaker.core.image_uris", reason="sagemaker-core is not installed here")
    for region in REGISTRIES:
        for algorithm in BUILT_IN:
            assert built_in_image(algorithm, region) == image_uris.retrieve(algorithm, region, version="1")
