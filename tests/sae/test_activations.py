import json

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from narrative_dag.policy.config import PolicyConfig
from narrative_dag.policy.model import load_policy, new_policy
from narrative_dag.policy.tokenizer import Document, train_tokenizer
from narrative_dag.sae import activations
from narrative_dag.sae.activations import write_activations
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.parquet_states import ParquetStates

SMALL = PolicyConfig(layers=2, width=32, heads=2, positions=64, dtype="float32", device="cpu")
TEXTS = ['{"title":"The pier"}', "", '{"title":"The hall","do":["nudge Mara.Trust 0.2"]}', "{}", '{"to":"e1"}' * 30]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    tokenizer = train_tokenizer([Document("", text) for text in TEXTS], 300, SMALL.positions)
    new_policy(SMALL, tokenizer, seed=0).save(folder)
    return folder


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """Another architecture, whose tokenizer has a beginning-of-sequence token."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    words = {word: i for i, word in enumerate(["<s>", "</s>", "<unk>", "the", "pier", "hall", "door"])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=7,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def hidden(folder, ids):
    """The library's own hidden states of one text, unpadded; its last one stands behind the final norm."""
    model = load_policy(folder, SMALL).model
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return [states[0].numpy() for states in output.hidden_states]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_states_are_the_models_hidden_states_text_by_text(gpt2, tmp_path, layer):
    out = tmp_path / "new" / "activations.parquet"
    written = write_activations(gpt2, TEXTS, layer, out, config=SMALL)
    rows = pl.read_parquet(out)
    policy = load_policy(gpt2, SMALL)
    assert (written.rows, written.d, written.texts, written.cut) == (len(rows), 32, 4, 1)
    assert rows.columns == ["storyworld_id", "playthrough", "step", "token", "state"]
    assert rows["playthrough"].unique().to_list() == [0]
    for number in (0, 2, 3, 4):
        ids = policy.tokenizer.encode(TEXTS[number])[: SMALL.positions]
        own = rows.filter(pl.col("storyworld_id") == str(number))
        assert own["step"].to_list() == list(range(len(ids)))
        assert policy.tokenizer.backend.convert_tokens_to_ids(own["token"].to_list()) == ids
        states = own["state"].to_numpy()
        if layer == 2:
            states = policy.model.transformer.ln_f(torch.from_numpy(states.copy())).detach().numpy()
        np.testing.assert_allclose(states, hidden(gpt2, ids)[layer], atol=2e-5)
    assert set(rows["storyworld_id"]) == {"0", "2", "3", "4"}


def test_the_beginning_of_sequence_is_read_and_has_no_row(llama, tmp_path):
    texts = ["the pier", "the hall the door the pier", "door"]
    written = write_activations(llama, texts, 2, tmp_path / "a.parquet", ids=["x", "y", "z"], config=SMALL)
    rows = pl.read_parquet(tmp_path / "a.parquet")
    assert (written.rows, written.d) == (9, 16)
    for name, text in zip("xyz", texts, strict=True):
        own = rows.filter(pl.col("storyworld_id") == name)
        assert own["token"].to_list() == text.split()
        ids = load_policy(llama, SMALL).tokenizer.encode_prompt(text)
        assert ids[0] == 0
        np.testing.assert_allclose(own["state"].to_numpy(), hidden(llama, ids)[2][1:], atol=2e-5)


def test_the_same_arguments_give_the_same_bytes(gpt2, tmp_path):
    def content(name, **arguments):
        write_activations(gpt2, TEXTS * 5, 1, tmp_path / name, config=SMALL, **arguments)
        return (tmp_path / name).read_bytes()

    assert content("a") == content("b")
    assert content("a") != content("c", seed=1)
    notes = json.loads(pq.read_schema(tmp_path / "c").metadata[b"activations"])
    assert (notes["layer"], notes["seed"], notes["model"]) == (1, 1, load_policy(gpt2, SMALL).digest())


def test_small_batches_give_the_same_states(gpt2, tmp_path):
    def rows(batch_tokens):
        write_activations(gpt2, TEXTS[:4] * 3, 1, tmp_path / "a", batch_tokens=batch_tokens, config=SMALL)
        return pl.read_parquet(tmp_path / "a").sort("storyworld_id", "step")

    small, large = rows(64), rows(100_000)
    assert small.drop("state").equals(large.drop("state"))
    np.testing.assert_allclose(small["state"].to_numpy(), large["state"].to_numpy(), atol=2e-5)


def test_no_more_rows_than_wanted_and_texts_longer_than_a_batch_are_cut(gpt2, tmp_path):
    out = tmp_path / "a.parquet"
    assert write_activations(gpt2, TEXTS, 1, out, max_rows=50, config=SMALL).rows == 50
    assert pq.read_metadata(out).num_rows == 50
    assert write_activations(gpt2, TEXTS[4:], 1, out, batch_tokens=20, config=SMALL) == (20, 32, 1, 1)


def test_row_groups_are_streamed_and_can_be_trained_on(gpt2, tmp_path, monkeypatch):
    monkeypatch.setattr(activations, "_ROW_GROUP_BYTES", 4 * 32 * 100)
    out = tmp_path / "a.parquet"
    done = []
    written = write_activations(
        gpt2, TEXTS * 20, 1, out, config=SMALL, batch_tokens=256, progress=lambda *at: done.append(at)
    )
    assert pq.read_metadata(out).num_row_groups > 5
    assert done[-1] == (80, 100)
    source = ParquetStates(out)
    assert (source.rows, source.d) == (written.rows, 32)


def test_refusals_leave_what_was_there(gpt2, tmp_path):
    out = tmp_path / "a.parquet"
    out.write_text("earlier")
    with pytest.raises(SaeError, match=r"no layer 3.*0 to 2"):
        write_activations(gpt2, TEXTS, 3, out, config=SMALL)
    with pytest.raises(SaeError, match="no tokens"):
        write_activations(gpt2, ["", ""], 1, out, config=SMALL)
    with pytest.raises(SaeError, match="1 ids for 5 texts"):
        write_activations(gpt2, TEXTS, 1, out, ids=["a"], config=SMALL)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_activations(gpt2, TEXTS, 1, out, config=SMALL, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    assert out.read_text() == "earlier"
