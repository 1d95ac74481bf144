"""Pure functions on tensors: no I/O, no state, no configuration. What they compute is stated in each
docstring.

Every token-level function takes `mask` (bool or float, 1 on reply tokens) and never lets what stands
elsewhere, NaN included, reach a value or a gradient. Each mean has a `*_sum` twin: under data parallel or
micro-batches the caller adds the sums and divides once by the global count, so the split never changes the
gradient.
"""

from repo_cli.algorithms.advantages import (
    gae,
    group_advantages,
    masked_mean,
    masked_moments,
    masked_sum,
    masked_whiten,
    token_rewards,
    whiten_with_moments,
)
from repo_cli.algorithms.groups import (
    flat_groups,
    gdpo_advantages,
    kept_group_advantages,
    length_weights,
)
from repo_cli.algorithms.kl import kl_estimate
from repo_cli.algorithms.policy_losses import (
    merge_token_sums,
    policy_loss,
    policy_loss_sum,
    value_loss,
    value_loss_sum,
)
from repo_cli.algorithms.preference_losses import (
    bradley_terry_loss,
    bradley_terry_loss_sum,
    dpo_loss,
    dpo_loss_sum,
    ipo_loss,
    ipo_loss_sum,
)

__all__ = [
    "bradley_terry_loss",
    "bradley_terry_loss_sum",
    "dpo_loss",
    "dpo_loss_sum",
    "flat_groups",
    "gae",
    "gdpo_advantages",
    "group_advantages",
    "ipo_loss",
    "ipo_loss_sum",
    "kept_group_advantages",
    "kl_estimate",
    "length_weights",
    "masked_mean",
    "masked_moments",
    "masked_sum",
    "masked_whiten",
    "merge_token_sums",
    "policy_loss",
    "policy_loss_sum",
    "token_rewards",
    "value_loss",
    "value_loss_sum",
    "whiten_with_moments",
]
