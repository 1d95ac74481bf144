"""From contexts to replies: the local generation engine, and whole conversations with a counterpart."""

from repo_cli.rollout.conversation import Conversation, run_conversations
from repo_cli.rollout.engine import LocalEngine, Reply

__all__ = ["Conversation", "LocalEngine", "Reply", "run_conversations"]
