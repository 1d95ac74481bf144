"""From contexts to replies: agents of every kind, the local generation engine, conversations with a counterpart."""

from repo_cli.rollout.agents import Agent, EndpointAgent, Said, Talk, WorldAgent
from repo_cli.rollout.conversation import Conversation, run_conversations
from repo_cli.rollout.engine import LocalEngine, Reply

__all__ = [
    "Agent",
    "Conversation",
    "EndpointAgent",
    "LocalEngine",
    "Reply",
    "Said",
    "Talk",
    "WorldAgent",
    "run_conversations",
]
