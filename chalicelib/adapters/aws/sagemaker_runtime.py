"""EndpointRuntime on SageMaker: endpoints are made and removed, asked in their container's own format, and proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.aws.account import Account
from chalicelib.adapters.aws.endpoints import Endpoints
from chalicelib.adapters.aws.invocation import Invocation, Question
from chalicelib.adapters.aws.proof import compare, self_test_of
from chalicelib.adapters.aws.wire.binsight import BinsightFormat
from chalicelib.adapters.aws.wire.format import WireFormat
from chalicelib.adapters.aws.wire.image_classification import ImageClassificationFormat
from chalicelib.adapters.aws.wire.object_detection import ObjectDetectionFormat
from chalicelib.adapters.aws.wire.reading import ParsedManifests
from chalicelib.domain.capacity import Capacity
from chalicelib.domain.errors import InvalidImageError, ProofFailedError
from chalicelib.domain.inference import Prediction, ServedModel
from chalicelib.domain.ports import BlobStore, EndpointRuntime, EndpointStatus

PROOF_DEADLINE_S = 24.0


class SageMakerRuntime(EndpointRuntime):
    answers_for_any = False

    def __init__(self, endpoints: Endpoints, account: Account, invocation: Invocation, blobs: BlobStore) -> None:
        self._endpoints = endpoints
        self._account = account
        self._invocation = invocation
        self._blobs = blobs
        self._manifests = ParsedManifests()
        self._formats: dict[str, WireFormat] = {
            "binsight": BinsightFormat(self._manifests),
            "image-classification": ImageClassificationFormat(self._manifests),
            "object-detection": ObjectDetectionFormat(self._manifests),
        }

    def capacity(self) -> Capacity | None:
        return self._account.capacity()

    def create(self, served: ServedModel, settings: Mapping[str, Any]) -> None:
        """SageMaker takes minutes; `describe` tells. Raises: what `Endpoints.create` raises."""
        self._endpoints.create(served, settings)

    def describe(self, endpoint: str) -> EndpointStatus:
        return self._endpoints.describe(endpoint)

    def delete(self, endpoint: str) -> None:
        self._endpoints.delete(endpoint)

    def predict(self, served: ServedModel, image: bytes, *, deadline_s: float) -> Prediction:
        def send(question: Question) -> bytes:
            return self._invocation(served.endpoint, question, deadline_s)

        return self._formats[served.container].predict(served, image, send)

    def prove(self, served: ServedModel) -> None:
        photo, document = self_test_of(served, self._blobs)
        try:
            answer = self.predict(served, photo, deadline_s=PROOF_DEADLINE_S).answer
        except InvalidImageError as error:
            raise ProofFailedError(f"Model {served.model_id}'s own test photo is refused: {error}.") from error
        compare(served, self._manifests(served), answer, document)
