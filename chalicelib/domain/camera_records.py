"""How events and sampled frames of cameras lie in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.camera_event import CameraEvent, Stream
from chalicelib.domain.camera_frame import CameraFrame
from chalicelib.domain.ports import IndexKey, Key, Record
from chalicelib.domain.records import by_time

MISMATCHES = "EVENTS#MISMATCH"
LAST_MS = 10**15 - 1


def stream_key(device: str, boot: str) -> Key:
    return Key(f"EVENTS#{device}#{boot}", "STREAM")


def stream_record(stream: Stream, expires_at_s: int) -> Record:
    body = {name: value for name, value in vars(stream).items() if name not in ("record_version", "ahead")}
    body["ahead"] = [list(each) for each in stream.ahead]
    key = stream_key(stream.device, stream.boot)
    return Record(key, body, version=stream.record_version + 1, expires_at_s=expires_at_s)


def stream_from(record: Record) -> Stream:
    ahead = tuple((first, last) for first, last in record.body["ahead"])
    return Stream(**{**record.body, "ahead": ahead}, record_version=record.version)


def device_events(device: str) -> str:
    return f"EVENTS#DEVICE#{device}"


def fleet_events(fleet: str) -> str:
    return f"EVENTS#FLEET#{fleet}"


def label_events(label: str) -> str:
    return f"EVENTS#LABEL#{label}"


def event_record(event: CameraEvent, expires_at_s: int) -> Record:
    """Its key is device, boot and number: a replay can only write the same thing again."""
    return Record(
        Key(f"EVENTS#{event.device}#{event.boot}", f"{event.sequence:016d}"),
        event_body(event),
        index1=IndexKey(device_events(event.device), _position(event)),
        index2=IndexKey(fleet_events(event.fleet), _position(event)),
        expires_at_s=expires_at_s,
    )


def filed_records(event: CameraEvent, expires_at_s: int) -> list[Record]:
    """The event once more under what it may be looked for by; without its picture."""
    partitions = [label_events(label) for label in event.labels] + [MISMATCHES] * event.is_mismatch
    body = {**event_body(event), "thumbnail": None}
    return [Record(Key(each, _position(event)), body, expires_at_s=expires_at_s) for each in partitions]


def event_body(event: CameraEvent) -> Mapping[str, Any]:
    return {**vars(event), "result": dict(event.result)}


def event_from(record: Record) -> CameraEvent:
    return CameraEvent(**record.body)


def _position(event: CameraEvent) -> str:
    return by_time(max(0.0, event.at_s), f"{event.device}#{event.boot}#{event.sequence:016d}")


def up_to(until_s: float) -> str:
    """A sort key after everything of that moment."""
    return f"{min(LAST_MS, int(until_s * 1000)):015d}~"


def frame_key(frame_id: str) -> Key:
    return Key(f"FRAME#{frame_id}", "FRAME")


def device_frames(device: str) -> str:
    return f"FRAMES#DEVICE#{device}"


def fleet_frames(fleet: str) -> str:
    return f"FRAMES#FLEET#{fleet}"


def frame_record(frame: CameraFrame, expires_at_s: int) -> Record:
    position = by_time(frame.received_at_s, frame.id)
    return Record(
        frame_key(frame.id),
        dict(vars(frame)),
        index1=IndexKey(device_frames(frame.device), position),
        index2=IndexKey(fleet_frames(frame.fleet), position),
        expires_at_s=expires_at_s,
    )


def frame_from(record: Record) -> CameraFrame:
    return CameraFrame(**record.body)
