"""The camera's models: a slot for each, named by its digest; two slots and a pinned factory model are kept.

A slot appears whole and checked, or not at all; which one runs stands in one file that is replaced whole. So a kill at
any point leaves a camera that starts with a whole model.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Dict, List, Optional, Set

from device.durable import read_json, write_json
from device.runtime.artifact import ArtifactError, digest_of, unpack, verify
from device.runtime.manifest import Manifest, ManifestError
from device.slots import Pointer, read_pointer, refusal, write_pointer
from device.trouble import Trouble

log = logging.getLogger(__name__)
KEEP_FREE_BYTES = 256 * 1024 * 1024
MAX_STARTS = 3
MAX_CRASHES = 3
MAX_TRIALS = 3
# An unpacked model beside its archive, and what the engine of a DeepLens makes of it.
ROOM_PER_ARTIFACT = 4


class NoRoomError(OSError):
    """The disk is too full for another model, also after everything that may go has gone."""


class ModelStore:
    """One process at a time; only the thread that updates writes."""

    def __init__(self, folder: Path, keep_free_bytes: int = KEEP_FREE_BYTES) -> None:
        """Raises: OSError."""
        self._folder = folder
        self._keep_free_bytes = keep_free_bytes
        for each in (self.slots, self.downloads):
            each.mkdir(parents=True, exist_ok=True)
        self.pointer = self._written = read_pointer(folder / "active.json")
        self._trouble = Trouble(log, "which model runs cannot be written down: %s")

    @property
    def slots(self) -> Path:
        return self._folder / "slots"

    @property
    def downloads(self) -> Path:
        return self._folder / "downloads"

    @property
    def factory(self) -> Optional[str]:
        """The digest of the model that came with the camera."""
        digest = read_json(self._folder / "factory.json").get("digest")
        return digest if isinstance(digest, str) else None

    def slot(self, digest: str) -> Path:
        return self.slots / digest

    def has(self, digest: str) -> bool:
        return self.slot(digest).is_dir()

    def begin(self) -> Optional[str]:
        """Counts a start and answers which slot to load; None: there is no model.

        A provisional slot that did not last through MAX_STARTS starts is rolled back; a damaged one is removed.
        """
        if self.pointer.provisional and self.pointer.starts >= MAX_STARTS:
            log.warning("the new model did not last through %d starts; rolling back", MAX_STARTS)
            self.roll_back("crash_loop", "the agent started %d times without lasting" % MAX_STARTS)
        self._try_keep(self.pointer._replace(starts=self.pointer.starts + 1))
        for digest in self._candidates():
            if self._is_whole(digest):
                return digest
        return None

    def crashed(self, how: str) -> None:
        """The active model's engine has ended the agent. Too often without lasting in between: it is rolled back.

        Also one that the service has confirmed long ago; the factory's stays, there is nothing behind it.
        """
        self._try_keep(self.pointer._replace(crashes=self.pointer.crashes + 1))
        if self.pointer.active is not None and self.pointer.crashes >= MAX_CRASHES:
            log.warning("the model's engine has ended the agent %d times; rolling back", MAX_CRASHES)
            self.roll_back("crash_loop", "the engine ended the agent %d times: %s" % (MAX_CRASHES, how))

    def lasted(self) -> None:
        """The agent has run for a while: this start was none of a crash loop."""
        if self.pointer.starts:
            self._try_keep(self.pointer.lasted())

    def begin_trial(self, deployment: Optional[str], digest: str) -> bool:
        """False when the agent has ended in every one of MAX_TRIALS trials of it: it must not be tried again."""
        if self.pointer.trial == refusal(deployment, digest) and self.pointer.trials >= MAX_TRIALS:
            return False
        self._try_keep(self.pointer.tried_once_more(deployment, digest))
        return True

    def end_trial(self) -> None:
        self._try_keep(self.pointer._replace(trial=None, trials=0))

    def stage(self, archive: Path, digest: str) -> Manifest:
        """Unpacks into the digest's slot. Raises: ArtifactError, ManifestError, NoRoomError, OSError."""
        if self.has(digest):
            try:
                return verify(self.slot(digest))
            except (ArtifactError, ManifestError):
                self._remove(self.slot(digest))
        self.make_room(archive.stat().st_size * (ROOM_PER_ARTIFACT - 1), digest)
        return unpack(archive, self.slot(digest), digest)

    def install_factory(self, archive: Path) -> str:
        """The model to fall back to when nothing else is there. Raises: ArtifactError, ManifestError, OSError."""
        digest = digest_of(archive)
        self.stage(archive, digest)
        write_json(self._folder / "factory.json", {"digest": digest})
        return digest

    def activate(self, digest: Optional[str], deployment: Optional[str], is_urgent: bool = False) -> None:
        """From now on a start loads `digest` (None: the factory's). Raises: OSError, unless it is urgent.

        is_urgent: what runs is taken back; a disk that cannot be written to must not keep it running.
        """
        if digest == self.pointer.active and deployment == self.pointer.deployment:
            return
        keep = self._try_keep if is_urgent else self._keep
        keep(self.pointer.activated(digest, deployment))

    def adopt(self, deployment: Optional[str]) -> None:
        """What runs already is what this deployment asks for."""
        self._try_keep(self.pointer._replace(deployment=deployment))

    def confirm(self) -> None:
        """The service has answered the proof. Raises: OSError."""
        self._keep(self.pointer.confirmed())
        self.collect()

    def roll_back(self, code: str, detail: str) -> None:
        """To the slot before; the service is told why at the next opportunity."""
        failure = {"code": code, "detail": detail[:400], "deployment": self.pointer.deployment}
        self._try_keep(self.pointer.rolled_back(failure))

    def refuse(self, deployment: Optional[str], digest: Optional[str]) -> None:
        self._try_keep(self.pointer.refusing(deployment, digest))

    def is_refused(self, deployment: Optional[str], digest: Optional[str]) -> bool:
        return refusal(deployment, digest) in self.pointer.refused

    def told(self) -> None:
        """The service has heard of the failure."""
        self._try_keep(self.pointer._replace(failure=None))

    def make_room(self, bytes_needed: int, wanted: Optional[str] = None) -> None:
        """Old slots and downloads go until so much is free beyond the reserve. Raises: NoRoomError.

        wanted: the digest of what has come in part already, which stays.
        """
        if self._free() < bytes_needed + self._keep_free_bytes:
            self.collect(wanted)
        free = self._free()
        if free < bytes_needed + self._keep_free_bytes:
            raise NoRoomError(
                "%d MB are free; the model needs %d MB and %d MB stay free"
                % (free >> 20, bytes_needed >> 20, self._keep_free_bytes >> 20)
            )

    def collect(self, wanted: Optional[str] = None) -> None:
        """Nobody else cleans this disk: the active, the previous, the factory's and the wanted model stay."""
        kept = self._kept() | {wanted}
        for path in self.slots.iterdir():
            if path.name not in kept:
                self._remove(path)
        for path in self.downloads.iterdir():
            if path.stem not in kept:
                path.unlink()

    def sizes(self) -> Dict[str, int]:
        """Bytes by slot."""
        return {path.name: sum(each.stat().st_size for each in path.iterdir()) for path in self.slots.iterdir()}

    def _candidates(self) -> List[str]:
        wanted = [self.pointer.active, self.factory if self.pointer.active is None else self.pointer.previous]
        return [digest for digest in dict.fromkeys([*wanted, self.factory]) if digest]

    def _kept(self) -> Set[Optional[str]]:
        return {self.pointer.active, self.pointer.previous, self.factory}

    def _is_whole(self, digest: str) -> bool:
        try:
            verify(self.slot(digest))
        except (ArtifactError, ManifestError, OSError) as error:
            log.error("slot %s cannot be used: %s", digest[:12], error)
            return False
        return True

    def _remove(self, path: Path) -> None:
        """Out of sight first: half a slot must not have a slot's name."""
        gone = path.with_name(".gone." + path.name)
        if path.name.startswith("."):
            gone = path
        else:
            path.rename(gone)
        shutil.rmtree(str(gone), ignore_errors=True)

    def _free(self) -> int:
        return shutil.disk_usage(str(self._folder)).free

    def _keep(self, pointer: Pointer) -> None:
        """Raises: OSError."""
        if pointer != self._written:
            write_pointer(self._folder / "active.json", pointer)
        self.pointer = self._written = pointer
        self._trouble.over()

    def _try_keep(self, pointer: Pointer) -> None:
        """A disk that cannot be written to must not stop the camera: the decision then holds until the next start."""
        try:
            self._keep(pointer)
        except OSError as error:
            self._trouble.note(error)
            self.pointer = pointer
