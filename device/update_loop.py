"""Steps the agent from state to state until it is stopped: what goes wrong on the way is waited out, never fatal."""

from __future__ import annotations

import logging
import random
from typing import Optional

from device.agent import Agent
from device.back_off import BackOff
from device.cloud_errors import CloudError
from device.states import Check, State
from device.trouble import Trouble

log = logging.getLogger(__name__)
# What a reply that lacks a member, or has another kind of it, comes to: nothing is decided by it.
MALFORMED = (KeyError, TypeError, ValueError)


class UpdateLoop:
    """Runs in one thread beside the frame loop's."""

    def __init__(self, agent: Agent, back_off: Optional[BackOff] = None) -> None:
        self._agent = agent
        self._back_off = back_off or BackOff(random.Random())
        self._trouble = Trouble(log, "going on as it is; %s")

    def run(self) -> None:
        """Until the agent is stopped."""
        state: State = Check()
        while not self._agent.is_stopping:
            state = self.stepped(state)

    def stepped(self, state: State) -> State:
        try:
            following = state.step(self._agent)
        except (CloudError, OSError, *MALFORMED) as error:
            self._trouble.note(error)
            self._agent.wait(self._back_off.pause_s(error))
            return Check()
        self._trouble.over()
        self._back_off.succeeded()
        return following
