"""Everything that promotes models and speaks with cameras, made of the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.alias import Alias
from chalicelib.domain.endpoint_cost import EndpointPrice
from chalicelib.domain.fleet_records import Shards
from chalicelib.domain.golden import GoldenPools
from chalicelib.domain.inference import Task
from chalicelib.domain.ports import BlobStore, Clock, EndpointRuntime, IdSource, RecordStore
from chalicelib.services.check_in import AskablePhotos, CheckIns
from chalicelib.services.departure import Departures
from chalicelib.services.deployment import Deployments
from chalicelib.services.dry_run import DryRuns
from chalicelib.services.endpoint_steps import EndpointSteps
from chalicelib.services.fleet import Fleets
from chalicelib.services.golden_answers import GoldenAnswers
from chalicelib.services.history import History
from chalicelib.services.ledger import Ledger
from chalicelib.services.model_registry import ModelRegistry
from chalicelib.services.promotion_facts import PromotionFacts
from chalicelib.services.promotion_start import PromotionStart
from chalicelib.services.promotion_steps import PromotionSteps
from chalicelib.services.proof_secret import ProofSecret
from chalicelib.services.tally import Tally
from chalicelib.services.targets import Targets
from chalicelib.services.timed_cache import TimedCache

# A camera that asks a moment after a step may be told what was true before it.
TARGET_FRESH_S = 1.0
IDENTITY_FRESH_S = 60.0
MAX_IDENTITIES = 50_000


@dataclass(frozen=True)
class PromotionPorts:
    """`fills_at_once`: a pool of golden photos is answered in seconds. `endpoint_price`: by the endpoint's settings."""

    store: RecordStore
    blobs: BlobStore
    runtime: EndpointRuntime
    pools: GoldenPools
    clock: Clock
    timer: Clock
    new_id: IdSource
    new_secret: Callable[[], str]
    pause: Callable[[float], None]
    shards: int
    fills_at_once: bool
    endpoint_price: Callable[[Mapping[str, Any]], EndpointPrice]


@dataclass(frozen=True)
class PromotionSuite:
    deployments: Deployments
    fleets: Fleets
    check_ins: CheckIns
    dry_runs: DryRuns
    history: History


def make_promotion_suite(
    ports: PromotionPorts, registry: ModelRegistry, ledger: Ledger, aliases: TimedCache[Task, Alias]
) -> PromotionSuite:
    store, runtime, clock, shards = ports.store, ports.runtime, ports.clock, Shards(ports.shards)
    targets = Targets(store, TimedCache(ports.timer, TARGET_FRESH_S), TimedCache(ports.timer, TARGET_FRESH_S))
    tally = Tally(store, shards)
    golden = GoldenAnswers(store, runtime, ports.pools, ports.timer, TimedCache(ports.timer, IDENTITY_FRESH_S))
    facts = PromotionFacts(runtime, golden, targets, tally, clock)
    endpoint = EndpointSteps(targets, registry, clock)
    steps = PromotionSteps(targets, endpoint, tally, ledger, clock, aliases)
    start = PromotionStart(
        store=store,
        registry=registry,
        targets=targets,
        golden=golden,
        facts=facts,
        steps=steps,
        ledger=ledger,
        clock=clock,
        new_id=ports.new_id,
        runtime=runtime,
        fills_at_once=ports.fills_at_once,
    )
    deployments = Deployments(store, targets, tally, golden, facts, steps, start, runtime, clock)
    fleets = Fleets(
        store=store,
        targets=targets,
        registry=registry,
        golden=golden,
        departures=Departures(targets, tally, clock),
        ledger=ledger,
        clock=clock,
        new_id=ports.new_id,
        new_secret=ports.new_secret,
        pause=ports.pause,
        identities=TimedCache(ports.timer, IDENTITY_FRESH_S, max_entries=MAX_IDENTITIES),
    )
    check_ins = CheckIns(
        store=store,
        blobs=ports.blobs,
        targets=targets,
        tally=tally,
        golden=golden,
        shards=shards,
        clock=clock,
        pause=ports.pause,
        secret=ProofSecret(store, ports.new_secret),
        judge=deployments.judge,
        askable=AskablePhotos(golden),
    )
    return PromotionSuite(deployments, fleets, check_ins, DryRuns(start, facts, ports.endpoint_price), History(store))
