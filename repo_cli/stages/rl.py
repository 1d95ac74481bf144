"""Reinforcement learning from a reward model, a judge and rules: REPO, PPO and GRPO on one loop.

    repo rl +experiment=demo policy.parent=SFT/final rm.path=RM/final judge.path=JUDGE/final
    repo rl +experiment=negotiation launch.nproc=8
    repo rl algorithm=grpo algorithm.scale_groups=false algorithm.length_norm=constant        # Dr.GRPO

One step: prompts (recorded ones, and dialogues with the partner that go on) -> replies (adapter merged, sampled ids
kept) -> the partner's answers -> RM, judge, rules and rewards of your own (rewards/own.py) -> one total per reply
(`reward.combine`) -> values and GAE (or group advantages) -> clipped policy update and value update, each by its own
engine on the same frozen base. No reference model, unless `algorithm.kl_coef` asks for one; a reply that the judge
failed on is left out of the update. Before the first step rl.preflight looks whether all fits together; after each
one the alarms (`alarms.*`) look whether it still goes well.
"""

from __future__ import annotations

from pathlib import Path

from repo_cli.config.own import unread
from repo_cli.config.schema import Config
from repo_cli.dialogue.checks import each_context
from repo_cli.dialogue.store import Stored
from repo_cli.models.backbone import Backbone
from repo_cli.rewards.ensemble import Ensemble
from repo_cli.rewards.own import OwnRewards
from repo_cli.rollout import LocalEngine
from repo_cli.stages.data import BatchOrder, stage_prompts
from repo_cli.stages.experience import Item, Prompt, advantages_, collect, rollout_rows, rollout_stats
from repo_cli.stages.groups import gdpo_sources, group_stats, resample_flat_
from repo_cli.stages.look import development_dialogues, first_look, say_looks
from repo_cli.stages.partner import PartneredDialogues
from repo_cli.stages.preflight import preflight
from repo_cli.stages.roles import policy_role
from repo_cli.stages.session import Session
from repo_cli.stages.update import Updater
from repo_cli.stages.watch import Watch
from repo_cli.training.distributed import all_sum


def run(cfg: Config, run_dir: Path | None = None) -> Path:
    """Train the policy, and return the run's `final/` (its adapter)."""
    with Session(cfg, "rl", run_dir) as session:
        own = OwnRewards.of(cfg)  # first: the user's own code fails before anything is loaded
        if text := unread(cfg.reward.combine, cfg.reward.own):
            session.note(text)
        rows, report = stage_prompts(cfg, session.path)
        backbone = Backbone.load(cfg, session.device)
        prompts = Stored.of(each_context(rows, backbone.fmt, report, cfg.data.on_bad_row), session.path)
        session.note(report.line())
        policy_role(cfg, backbone)
        ensemble = Ensemble(cfg, backbone, own=own)
        sampler = LocalEngine(backbone, "policy", cfg.rollout)
        updater = Updater(cfg, backbone, session)
        session.keep("critic_line", updater)
        partners = PartneredDialogues(cfg, backbone.fmt)
        session.keep("partners", partners)
        session.keep("rewards", ensemble)
        watch = Watch(cfg, backbone, session)
        session.keep("alarms", watch)
        groups = cfg.algorithm.group_size
        wanted = max(1, cfg.rl.batch_size // groups)
        order = BatchOrder(len(prompts), wanted, cfg.seed, cfg.data.shuffle)
        checked = False

        def answered(chosen: list[Prompt], seed: int) -> list[Item]:
            found = collect(sampler, chosen, seed)
            partners.answer(found)
            return found

        for step in session.steps(cfg.rl.steps):
            if cfg.rl.eval_every and step == 0:
                first_look(sampler, cfg, ensemble.rm, session)
            chosen = partners.prompts([prompts[i] for i in order.batch(step)], wanted)
            mine = session.my_share([prompt for prompt in chosen for _ in range(groups)], group=groups)
            check = cfg.rl.preflight and not checked
            # ZeRO-3: whole weights once for all three, and ranks may then differ in how many batches they run
            with backbone.gathered():
                with session.timer("generate"):
                    items = collect(sampler, mine, session.step_seed(step), take=ensemble.take)
                with session.timer("score"):
                    partners.answer(items)
                    parts = ensemble.score([item.as_scored() for item in items])
                resampled = 0
                if cfg.algorithm.resample:
                    with session.timer("resample"):
                        seed = session.step_seed(step)
                        resampled = resample_flat_(items, parts, ensemble, prompts, answered, cfg, seed)
                totals, keep, reward_stats = ensemble.total(parts)
                later = updater.values_come_later(check)
                if not later:
                    with session.timer("values"):
                        updater.values_(items, check)
                        updater.calibrate_(items, totals, keep)
                probed = watch.probe(items, step)
            if later:
                with session.timer("update"):
                    updater.learn_values_(items, totals, keep)
            partners.go_on(items, step, groups)
            sources = gdpo_sources(parts, cfg)
            advantages_(items, totals, keep, cfg.algorithm, sources)
            if check:
                with session.timer("preflight"):
                    preflight(cfg, backbone, items, totals, session, updater, ensemble, prompts, step == 0)
                checked = True
            kept = [item for item in items if item.keep]
            stats = {**reward_stats, **rollout_stats(items, session), **probed}
            stats |= group_stats(totals, keep, cfg.algorithm, sources, resampled)
            if all_sum(float(len(kept))) > 0:
                with session.timer("update"):
                    stats |= updater.update(kept, step)
            else:
                session.alarm(f"step {step}: no reply could be scored; the step changes nothing")
            if cfg.rl.eval_every and (step + 1) % cfg.rl.eval_every == 0:
                with session.timer("dev"):
                    stats |= development_dialogues(sampler, cfg, ensemble.rm)
            stats |= watch.look(step, stats)
            session.end_step(step, stats, rollout_rows(items, parts, totals, cfg.tracker.rollouts_keep))
            watch.stop()
        if cfg.rl.eval_every:
            say_looks(session)
        return session.finish(backbone, "policy", kind="adapter", metrics=session.last_metrics)
