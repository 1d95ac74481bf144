"""The backbone: right positions, right tokens, roles that do not touch each other, files that come back the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_kit import TEXTS, ragged, reply_mask, small_backbone, small_config

from repo_cli.dialogue.batches import collate
from repo_cli.dialogue.shared import collate_shared
from repo_cli.dialogue.tokens import Sample
from repo_cli.errors import UserError
from repo_cli.models.backbone import Backbone
from repo_cli.models.hashing import hash_model, hash_model_dir
from repo_cli.models.logprobs import token_logps
from repo_cli.models.manifest import write_manifest


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return small_backbone()


def shifted(ids: Tensor, attention: Tensor, left: int, right: int, pad: int) -> tuple[Tensor, Tensor]:
    pads = torch.nn.functional.pad
    return pads(ids, (left, right), value=pad), pads(attention, (left, right))


# -- B3: the reward model reads the right token ---------------------------------------------------------------


def test_score_does_not_depend_on_padding_or_company(backbone: Backbone) -> None:
    eos = backbone.tokenizer.eos_token_id
    ids, attention = ragged(backbone, [9, 17, 12])
    ids[:, 3] = eos  # an end of turn inside the prompt
    for row, last in enumerate([8, 16, 11]):
        ids[row, last] = eos
    for pad in (backbone.tokenizer.pad_token_id, eos):  # a pad that equals the end of a turn must not matter
        filled = torch.where(attention.bool(), ids, torch.full_like(ids, pad))
        batch = backbone.score("rm", filled, attention)
        for row, length in enumerate([9, 17, 12]):
            one, ones = filled[row : row + 1, :length], attention[row : row + 1, :length]
            for left, right in ((0, 0), (0, 6), (6, 0)):
                alone = backbone.score("rm", *shifted(one, ones, left, right, pad))
                assert torch.allclose(alone, batch[row], atol=1e-5), (pad, row, left, right)
    assert batch.std() > 1e-3  # else equality would mean nothing


def test_changing_only_the_last_token_changes_the_score(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [10, 6])
    before = backbone.score("rm", ids, attention)
    ids[1, 5] = (ids[1, 5] + 1) % backbone.vocab_size
    after = backbone.score("rm", ids, attention)
    assert after[0] == before[0] and (after[1] - before[1]).abs() > 1e-4
    ids[1, 8] = 5  # padding
    assert torch.equal(backbone.score("rm", ids, attention), after)


def test_value_of_a_token_is_read_before_it_is_emitted(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [12])
    values = backbone.values("critic", ids, attention)
    other = ids.clone()
    other[0, 7] = (other[0, 7] + 5) % backbone.vocab_size
    changed = backbone.values("critic", other, attention) != values
    assert values.shape == ids.shape and values[0, 0] == 0
    assert (
        not changed[0, :8].any() and changed[0, 8:].all()
    )  # the value of token 7 itself does not know token 7


# -- log-probs ------------------------------------------------------------------------------------------------


def test_logps_are_those_of_the_plain_model_on_either_padding_side(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [11, 7])
    mask = reply_mask(attention, 4)
    got, entropy = backbone.logps_entropy("policy", ids, attention, mask, temperature=0.7)
    for row, length in enumerate([11, 7]):
        backbone.use("policy")
        logits = backbone.base(ids[row : row + 1, :length]).logits[0] / 0.7
        logp = torch.log_softmax(logits, -1)
        want = logp[:-1].gather(-1, ids[row, 1:length, None])[:, 0]
        assert torch.allclose(got[row, 4:length], want[3:], atol=1e-5)
        assert torch.allclose(entropy[row, 4:length], -(logp.exp() * logp).sum(-1)[3:-1], atol=1e-4)
        assert not got[row, :4].any() and not got[row, length:].any()
        padded = shifted(ids[row : row + 1, :length], attention[row : row + 1, :length], 5, 0, 0)
        left_mask = torch.nn.functional.pad(mask[row : row + 1, :length], (5, 0))
        left = backbone.logps("policy", *padded, left_mask, temperature=0.7)
        assert torch.allclose(left[0, 5 + 4 :], want[3:], atol=1e-5)


def test_chunks_give_the_same_numbers_and_gradients() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 50, bias=False)
    ids = torch.randint(0, 50, (3, 9))
    mask = (torch.rand(3, 9) > 0.4).long()
    results = []
    for chunk in (10**9, 50 * 4):
        hidden = torch.randn(3, 9, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        logps, entropy = token_logps(head, hidden, ids, mask, 0.9, True, chunk_logits=chunk, vocab_size=50)
        (logps.sum() * 2).backward()
        results.append((logps.detach(), entropy, hidden.grad, head.weight.grad.clone()))
        head.weight.grad = None
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_an_empty_mask_gives_zeros_and_a_zero_gradient(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [6, 4])
    backbone.use("policy")
    logps = backbone.logps("policy", ids, attention, torch.zeros_like(ids))
    logps.sum().backward()
    assert not logps.any()
    for parameter in backbone.trainable("policy"):
        assert parameter.grad is None or not parameter.grad.any()
        parameter.grad = None


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_b5_generation_and_training_agree_before_any_update(temperature: float) -> None:
    """Ragged prompts, left padding, key-value cache on one side; right padding, LoRA dropout configured and
    gradient checkpointing on the other."""
    cfg = small_config(engine__gradient_checkpointing=True)
    backbone = small_backbone(cfg, ("policy",))
    prompts = [[5, 9, 33, 12, 7, 8], [40, 41], [11, 12, 13, 14]]
    ids, attention = ragged(backbone, [6, 6, 6], side="left")
    for row, prompt in enumerate(prompts):
        ids[row, : 6 - len(prompt)], attention[row, : 6 - len(prompt)] = 0, 0
        ids[row, 6 - len(prompt) :] = torch.tensor(prompt)
    sampled, logps = _sample(backbone, ids, attention, 8, temperature)
    full = [prompt + row for prompt, row in zip(prompts, sampled.tolist(), strict=True)]
    width = max(map(len, full))
    train_ids = torch.tensor([row + [0] * (width - len(row)) for row in full])
    train_attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in full])
    mask = train_attention.clone()
    for row, prompt in enumerate(prompts):
        mask[row, : len(prompt)] = 0
    backbone.set_mode(training=True, dropout=False)
    new = backbone.logps("policy", train_ids, train_attention, mask, temperature)
    backbone.set_mode(training=False)
    ratio = torch.cat([new[row, len(p) : len(p) + 8] - logps[row] for row, p in enumerate(prompts)])
    assert ratio.abs().max() < 1e-5
    backbone.set_mode(training=True, dropout=True)  # and the check can fail: with dropout they differ
    assert (backbone.logps("policy", train_ids, train_attention, mask, temperature) - new).abs().max() > 1e-3
    backbone.set_mode(training=False)


def _sample(
    backbone: Backbone, ids: Tensor, attention: Tensor, n: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """The plainest sampler: one token a step with a cache, positions from the attention mask."""
    generator = torch.Generator().manual_seed(0)
    tokens, logps, cache = [], [], None
    step, positions = ids, (attention.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad(), backbone.merged("policy") as model:
        for _ in range(n):
            out = model(
                step, attention_mask=attention, position_ids=positions, past_key_values=cache, use_cache=True
            )
            cache = out.past_key_values
            logp = torch.log_softmax(out.logits[:, -1].float() / temperature, -1)
            token = torch.multinomial(logp.exp(), 1, generator=generator)
            tokens.append(token)
            logps.append(logp.gather(-1, token))
            attention = torch.cat([attention, torch.ones_like(token)], 1)
            step, positions = token, positions[:, -1:] + 1
    return torch.cat(tokens, 1), torch.cat(logps, 1)


# -- roles ----------------------------------------------------------------------------------------------------


def test_each_role_is_its_own_and_none_is_the_base(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [8])
    mask = reply_mask(attention, 2)
    plain = Backbone.load(small_config(), "cpu", texts=TEXTS).logps(None, ids, attention, mask)
    assert torch.equal(backbone.logps(None, ids, attention, mask), plain)
    seen = [backbone.logps(role, ids, attention, mask) for role in ("policy", "critic", "rm", None)]
    for i, one in enumerate(seen):
        assert all(not torch.allclose(one, two, atol=1e-4) for two in seen[i + 1 :])


def test_only_the_active_role_can_get_a_gradient(backbone: Backbone) -> None:
    ids, attention = ragged(backbone, [8, 5])
    for role in ("policy", "critic", "rm"):
        loss = (
            backbone.logps("policy", ids, attention, attention).sum()
            if role == "policy"
            else (
                backbone.values(role, ids, attention).sum()
                if role == "critic"
                else backbone.score(role, ids, attention).sum()
            )
        )
        loss.backward()
        got = {name for name, p in backbone.named_parameters() if p.grad is not None}
        assert got == set(backbone.named_trainable(role)) and len(got) >= 28
        assert {name for name, p in backbone.named_parameters() if p.requires_grad} == got
        backbone.zero_grad(set_to_none=True)
    backbone.use(None)
    assert not any(p.requires_grad for p in backbone.parameters())


def test_unknown_role_and_full_beside_adapters_are_refused(backbone: Backbone) -> None:
    with pytest.raises(KeyError, match="polcy"):
        backbone.use("polcy")
    with pytest.raises(UserError, match="full"):
        backbone.use("full")
    backbone.use("policy")


def test_copy_role_starts_the_critic_as_the_reward_model() -> None:
    backbone = small_backbone()
    ids, attention = ragged(backbone, [9, 6])
    backbone.copy_role("rm", "critic")
    assert torch.equal(backbone.score("critic", ids, attention), backbone.score("rm", ids, attention))
    backbone.add_role("other", 2, 8.0)
    with pytest.raises(UserError, match="r=2.*cannot start from.*r=4"):
        backbone.copy_role("rm", "other")


def test_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = small_backbone(roles=("policy",))
    torch.manual_seed(2)
    two = small_backbone(roles=("policy",))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = small_backbone(small_config(seed=5), ("policy",))
    assert other.base_hash != one.base_hash


# -- merging --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_merging_restores_every_bit_and_computes_the_same(
    backbone: Backbone, dtype: torch.dtype | None
) -> None:
    ids, attention = ragged(backbone, [12])
    backbone.use("policy")
    before = {name: p.detach().clone() for name, p in backbone.named_parameters()}
    apart = backbone.base(ids).logits
    for _ in range(3):
        with backbone.merged("policy", dtype) as model, torch.no_grad():
            merged = model(ids).logits.float()
            with pytest.raises(RuntimeError, match="merged"):
                backbone.logps("critic", ids, attention, attention)
    # bfloat16 keeps 8 bits: what counts is the gap beside the size of the logits
    assert (merged - apart).abs().max() < (1e-5 if dtype is None else 0.05 * apart.abs().max())
    backbone.use("policy")
    assert all(p.requires_grad for p in backbone.trainable("policy"))  # an update may follow at once
    assert torch.equal(backbone.base(ids).logits, apart)
    after = dict(backbone.named_parameters())
    assert all(
        torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before
    )


def test_weights_cast_once_give_autocasts_own_bits() -> None:
    backbone = small_backbone(small_config(engine__autocast="bfloat16"))
    ids, _ = ragged(backbone, [12])
    before = {name: (p, p.detach().clone()) for name, p in backbone.named_parameters()}
    found = []
    for dtype in (torch.bfloat16, None):  # None: autocast casts them at every product
        backbone.autocast_dtype = dtype
        with backbone.merged("policy") as model, torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found.append(model(ids).logits)
            linears = [
                m.weight.dtype for m in model.modules() if type(m) is torch.nn.Linear and m.in_features >= 32
            ]
            assert (torch.bfloat16 in linears) is (dtype is not None)
            assert model.get_input_embeddings().weight.dtype == torch.float32
    assert torch.equal(*found) and found[0].dtype == torch.bfloat16
    for name, parameter in backbone.named_parameters():
        assert parameter is before[name][0] and torch.equal(parameter, before[name][1])


def test_merging_restores_after_an_error(backbone: Backbone) -> None:
    before = [p.detach().clone() for p in backbone.base.parameters()]
    with pytest.raises(ValueError, match="generation broke"), backbone.merged("policy"):
        raise ValueError("generation broke")
    assert all(torch.equal(a, b) for a, b in zip(before, backbone.base.parameters(), strict=True))
    backbone.use("critic")


# -- files ----------------------------------------------------------------------------------------------------


def _save(backbone: Backbone, base: Path, folder: Path, role: str, kind: str) -> Path:
    backbone.save_role(role, folder)
    write_manifest(
        folder, kind, backbone.base_hash, str(base), extra={"calibration": {"mean": 0.0, "std": 1.0}}
    )
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> dict[str, Path]:
    """base/ (kind full) and the three roles of `backbone` on it."""
    root = tmp_path_factory.mktemp("saved")
    plain = Backbone.load(small_config(), "cpu", texts=TEXTS)
    plain.save_role("full", root / "base")
    write_manifest(root / "base", "full", hash_model_dir(root / "base"), str(root / "base"), stage="sft")
    kinds = {"policy": "adapter", "rm": "rm", "critic": "critic"}
    return {"base": root / "base"} | {
        r: _save(backbone, root / "base", root / r, r, k) for r, k in kinds.items()
    }


def test_hash_is_the_same_in_memory_on_disk_and_in_bfloat16(
    saved: dict[str, Path], backbone: Backbone
) -> None:
    assert hash_model_dir(saved["base"]) == backbone.base_hash
    assert hash_model(Backbone.load(small_config(), "cpu", texts=TEXTS).base) == backbone.base_hash
    low = Backbone.load(small_config(policy__parent=str(saved["base"]), policy__dtype="bfloat16"), "cpu")
    assert low.base_hash == backbone.base_hash and low.base.dtype == torch.bfloat16


def test_hash_notes_are_kept_and_follow_the_files(saved: dict[str, Path], tmp_path: Path) -> None:
    first = hash_model_dir(saved["base"], cache_dir=tmp_path)
    notes = list((tmp_path / "base_hashes").iterdir())
    notes[0].write_text("kept")
    assert hash_model_dir(saved["base"], cache_dir=tmp_path) == "kept" and first != "kept"


def test_b7_saved_roles_come_back_identical(
    saved: dict[str, Path], backbone: Backbone, tmp_path: Path
) -> None:
    cfg = small_config(policy__parent=str(saved["policy"]), cache_dir=str(tmp_path))
    again = Backbone.load(cfg, "cpu")
    for role in ("rm", "critic"):
        again.add_role(role, init_from=saved[role], head=True)
    ids, attention = ragged(backbone, [12, 7])
    mask = reply_mask(attention, 3)
    assert again.roles() == ["policy", "rm", "critic"] and again.base_hash == backbone.base_hash
    assert torch.equal(
        again.logps("policy", ids, attention, mask), backbone.logps("policy", ids, attention, mask)
    )
    assert torch.equal(again.values("critic", ids, attention), backbone.values("critic", ids, attention))
    assert torch.equal(again.score("rm", ids, attention), backbone.score("rm", ids, attention))
    assert again.tokenizer.chat_template == backbone.tokenizer.chat_template


def test_plain_peft_opens_what_was_saved(saved: dict[str, Path], backbone: Backbone) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    ids, _ = ragged(backbone, [10])
    base = AutoModelForCausalLM.from_pretrained(
        saved["base"], dtype=torch.float32, attn_implementation="eager"
    )
    model = PeftModel.from_pretrained(base, str(saved["policy"])).eval()
    backbone.use("policy")
    apart = (model(ids).logits - backbone.base(ids).logits).abs().max()
    assert float(apart) < 1e-5  # engine.short_cuts adds in another order
    state = load_file(str(saved["policy"] / "adapter_model.safetensors"))
    assert len(state) == 28 and all(tensor.numel() for tensor in state.values())
    assert set(load_file(str(saved["rm"] / "head.safetensors"))) == {"weight", "bias"}
    config = json.loads((saved["policy"] / "adapter_config.json").read_text())
    assert config["inference_mode"] is True and config["r"] == 4
    assert "PeftModel.from_pretrained" in (saved["policy"] / "README.md").read_text()


def test_a_plain_peft_directory_is_a_parent_too(
    saved: dict[str, Path], backbone: Backbone, tmp_path: Path
) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((saved["policy"] / name).read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": str(saved["base"])})
    )
    again = Backbone.load(small_config(policy__parent=str(tmp_path)), "cpu")
    ids, attention = ragged(backbone, [8])
    assert torch.equal(
        again.logps("policy", ids, attention, attention), backbone.logps("policy", ids, attention, attention)
    )


# -- bad input ------------------------------------------------------------------------------------------------


def test_adapter_of_another_base_is_refused(saved: dict[str, Path]) -> None:
    other = small_backbone(small_config(seed=9), ())
    with pytest.raises(UserError, match="another base"):
        other.add_role("rm", init_from=saved["rm"], head=True)
    other.save_role("full", saved["base"].parent / "other")
    manifest = json.loads((saved["policy"] / "manifest.json").read_text())
    moved = saved["base"].parent / "moved"
    moved.mkdir()
    for file in saved["policy"].iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    (moved / "manifest.json").write_text(json.dumps(manifest | {"base": str(saved["base"].parent / "other")}))
    with pytest.raises(UserError, match="another base"):
        Backbone.load(small_config(policy__parent=str(moved)), "cpu")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy__build": None}, "policy.path is not set"),
        ({}, "has no weights yet"),
        ({"policy__path": "/nowhere/model"}, "no such directory"),
        ({"policy__parent": "/nowhere/run"}, "policy.parent=/nowhere/run: no such directory"),
        ({"policy__path": "{tmp}"}, "no config.json"),
        ({"policy__parent": "{tmp}"}, "neither a final/ directory nor a run"),
        ({"policy__parent": "{rm}"}, "holds a rm, not a policy"),
        ({"policy__path": "{pickled}"}, "no \\*.safetensors"),
    ],
)
def test_wrong_starts_are_named(changes: dict, words: str, saved: dict[str, Path], tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((saved["base"] / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    places = {"tmp": tmp_path / "empty", "rm": saved["rm"], "pickled": pickled}
    filled = {k: v.format(**places) if isinstance(v, str) else v for k, v in changes.items()}
    with pytest.raises(UserError, match=words):
        Backbone.load(small_config(**filled), "cpu")


def test_bad_adapters_are_named(saved: dict[str, Path], tmp_path: Path) -> None:
    backbone = small_backbone(roles=())
    with pytest.raises(UserError, match="matches no layer"):
        backbone.add_role("policy", 4, 8.0, targets=["c_attn"])
    with pytest.raises(UserError, match="no head.safetensors"):
        backbone.add_role("rm", init_from=saved["policy"], head=True)
    with pytest.raises(UserError, match="whole model, not an adapter"):
        backbone.add_role("again", init_from=saved["base"])
    for file in saved["policy"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"r": 8}))
    with pytest.raises(UserError, match="does not fit the base"):
        backbone.add_role("wide", init_from=tmp_path)


def test_a_tokenizer_with_more_ids_than_embeddings_is_named(saved: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(saved["base"], tmp_path / "base")
    (tmp_path / "base" / "manifest.json").unlink()
    cfg = small_config(policy__path=str(tmp_path / "base"), policy__build=None)
    rows = Backbone.load(cfg, "cpu").vocab_size
    file = tmp_path / "base" / "tokenizer.json"
    data = json.loads(file.read_text())
    data["added_tokens"].append({**data["added_tokens"][0], "id": rows + 2, "content": "<|more|>"})
    file.write_text(json.dumps(data))
    with pytest.raises(
        UserError, match=rf"tokenizer goes up to id {rows}.*'<.more.>'.*embeddings for 0 to {rows - 1}"
    ):
        Backbone.load(cfg, "cpu")


def test_a_tokenizer_unlike_the_adapters_is_named(saved: dict[str, Path], tmp_path: Path) -> None:
    from repo_cli.models.tiny import train_tokenizer

    base, adapter = tmp_path / "base", tmp_path / "policy"
    shutil.copytree(saved["base"], base)
    shutil.copytree(saved["policy"], adapter)
    note = json.loads((adapter / "manifest.json").read_text())
    (adapter / "manifest.json").write_text(json.dumps(note | {"base": str(base)}))
    cfg = small_config(policy__parent=str(adapter))
    assert Backbone.load(cfg, "cpu").roles() == ["policy"]
    other = train_tokenizer(["zebras quickly jump over lazy foxes, 77 times"] * 30, 400)
    other.save_pretrained(str(base))
    with pytest.raises(
        UserError, match=r"policy: was trained with another tokenizer than .*base's: .* tokens differ"
    ):
        Backbone.load(cfg, "cpu")
    (adapter / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="tokenizer.json: cannot be read as a tokenizer"):
        Backbone.load(cfg, "cpu")


def test_mixture_of_experts_takes_no_adapter() -> None:
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    from repo_cli.models.adapters import AdapterSet

    config = Qwen3MoeConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, moe_intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, num_experts=4, num_experts_per_tok=2,
    )  # fmt: skip
    with pytest.raises(UserError, match="mixture of experts.*only dense"):
        AdapterSet(Qwen3MoeForCausalLM(config), "moe").add("policy", 2, 4.0, 0.0, "all-linear", 0)


# -- the tiny model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", ["split", "group3"])
def test_tiny_tokenizer(digits: str) -> None:
    from repo_cli.models.tiny import train_tokenizer

    tokenizer = train_tokenizer(TEXTS, 400, digits)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id and tokenizer.eos_token == "<|im_end|>"
    pieces = tokenizer.tokenize("at Willow Court for 388 or ¥388")
    assert pieces.count("388") == (2 if digits == "group3" else 0)
    assert pieces.count("8") == (0 if digits == "group3" else 4)
    brief, reply = "Hotel: Willow Court.", "We saw Willow Court today"
    name = tokenizer(" Willow Court", add_special_tokens=False)["input_ids"]
    for text in (brief, reply):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert any(ids[i : i + len(name)] == name for i in range(len(ids))), text
    for text in ("价格388元/晚 😀\n\t x", *TEXTS[:3]):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    found = []
    for checkpointing in (False, True):
        backbone = small_backbone(small_config(engine__gradient_checkpointing=checkpointing), ("policy",))
        ids, attention = ragged(backbone, [9, 6])
        backbone.set_mode(training=True, dropout=False)
        backbone.logps("policy", ids, attention, reply_mask(attention, 3)).sum().backward()
        found.append([p.grad for p in backbone.trainable("policy")])
        assert all(g is not None and g.any() for g in found[-1])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))


FAMILIES = [
    [([5, 9, 11, 30, 31, 7], 3), ([5, 9, 11, 40, 7], 3), ([5, 9, 11, 7], 3)],
    [([5, 12, 7], 2), ([5, 12, 13, 14, 15, 16, 7], 2)],
    [([8, 8, 8, 7], 1), ([9, 8, 7], 1)],  # nothing in common
    [([6, 7, 21], 1), ([6, 7], 1)],  # one is the beginning of the other, and masked tokens are in common
    [([3, 4, 6, 9, 9], 2)],
]  # (ids, length of the context) of sequences that begin alike


@pytest.mark.parametrize("attn", ["eager", "sdpa", "blocks"])
def test_sequences_that_share_their_beginning_get_what_they_get_apart(attn: str) -> None:
    """Scores, log-probs, entropies and gradients with the common part computed once are those of single sequences."""
    groups = [[Sample(ids, [int(t >= start) for t in range(len(ids))]) for ids, start in g] for g in FAMILIES]
    backbone = small_backbone(small_config(policy__attn=attn))
    assert backbone.shares_contexts
    shared = collate_shared(groups, pad_id=0)
    assert shared.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 3, 4, 3]
    apart = collate([sample for group in groups for sample in group], pad_id=0)
    assert torch.equal(shared.mask, apart.mask) and len(shared) == len(apart) == 10

    def both(shared_way: Any, plain_way: Any) -> None:
        found = []
        for way in (shared_way, plain_way):
            backbone.zero_grad()
            got, role = way()
            generator = torch.Generator().manual_seed(2)
            (got * torch.randn(got.shape, generator=generator)).sum().backward()
            found.append((got.detach(), [p.grad.clone() for p in backbone.trainable(role)]))
        assert torch.allclose(found[0][0], found[1][0], atol=1e-5) and found[0][0].std() > 1e-3
        assert all(
            torch.allclose(a, b, atol=1e-5, rtol=1e-4) for a, b in zip(found[0][1], found[1][1], strict=True)
        )

    plain = (apart.ids, apart.attention)
    both(lambda: (backbone.score_shared("rm", shared), "rm"), lambda: (backbone.score("rm", *plain), "rm"))
    both(
        lambda: (backbone.logps_shared("policy", shared, 0.7), "policy"),
        lambda: (backbone.logps("policy", *plain, apart.mask, 0.7), "policy"),
    )
    with torch.no_grad():
        ours, theirs = (
            backbone.logps_entropy_shared("policy", shared, 0.7),
            backbone.logps_entropy("policy", *plain, apart.mask, 0.7),
        )
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("side", ["right", "left"])
def test_what_is_not_read_is_left_out_of_the_last_layer(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results and gradients are those of a pass that computes every place, and the feed-forward part saw fewer."""
    backbone = small_backbone(small_config(engine__short_cuts=True))
    ids, attention = ragged(backbone, [12, 7, 9], side)
    mask = attention.clone()
    mask[:, :-4] = 0
    seen: list[int] = []
    part = backbone.base.get_decoder().layers[-1].mlp
    part.gate_proj.register_forward_hook(lambda _, args, __: seen.append(args[0].numel() // 32))
    ways: list[tuple[str, Any]] = [
        ("policy", lambda: backbone.logps("policy", ids, attention, mask)),
        ("critic", lambda: backbone.values("critic", ids, attention, mask) * mask),
        ("rm", lambda: backbone.score("rm", ids, attention)),
        ("policy", lambda: backbone.next_logits("policy", ids, attention)),
    ]
    for role, way in ways:
        found = []
        for plain in (False, True):
            monkeypatch.setattr(backbone, "short_cuts", not plain)
            backbone.zero_grad()
            out = way()
            out.square().sum().backward()
            found.append((out.detach(), [p.grad.clone() for p in backbone.trainable(role)]))
        assert torch.allclose(found[0][0], found[1][0], atol=1e-5) and found[0][0].std() > 1e-3
        for a, b in zip(found[0][1], found[1][1], strict=True):
            assert float((a - b).norm() / b.norm()) < 1e-5
    assert seen[1::2] == [ids.numel()] * 4
    assert seen[::2] == [int(mask[:, 1:].sum())] * 2 + [3, 3]
    assert backbone.base.get_decoder().layers[-1].mlp._forward_pre_hooks == {}
