"""What training asks of a stage on AWS: its address and bucket, and that only new photos are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.training.photo_files import write_photo
from training.stage import StageError, find_stage, upload_folder


class Stacks:
    """CloudFormation's client, with one stack."""

    def __init__(self, **outputs: str) -> None:
        self.outputs = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        assert StackName == "binsight-dev"
        return {"Stacks": [{"Outputs": self.outputs}]}


def test_a_stage_says_its_address_and_bucket_unless_they_are_set() -> None:
    stacks = Stacks(EndpointURL="https://api/dev/", BucketName="photos")
    stage = find_stage("dev", stacks, {})
    assert (stage.url, stage.bucket) == ("https://api/dev", "photos")
    assert find_stage("dev", stacks, {"BINSIGHT_URL": "https://mine"}).url == "https://mine"
    with pytest.raises(StageError, match="BINSIGHT_URL and BINSIGHT_BUCKET"):
        find_stage("dev", Stacks(), {})


def test_only_what_is_not_there_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    write_photo(tmp_path / "train" / "a.jpg", 1)
    write_photo(tmp_path / "test" / "b.jpg", 2)
    done: list[int] = []
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="photos")
        assert upload_folder(tmp_path, "photos", "data/waste", s3, done.append) == 2
        write_photo(tmp_path / "test" / "c.jpg", 3)
        assert upload_folder(tmp_path, "photos", "data/waste", s3, done.append) == 1
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="photos")["Contents"]]
        with pytest.raises(StageError, match="s3://nowhere/data"):
            upload_folder(tmp_path, "nowhere", "data", s3, done.append)
    assert keys == ["data/waste/test/b.jpg", "data/waste/test/c.jpg", "data/waste/train/a.jpg"]
    assert sum(done) == 5
