"""`narrative-dag sae`: train into a folder, go on after a kill, evaluate, compare, and refuse what is wrong."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from narrative_dag.cli.app import app
from narrative_dag.cli.sae import read_config, read_texts
from narrative_dag.errors import NarrativeError
from narrative_dag.sae.experiment import Experiment, load_saes, save_saes
from narrative_dag.sae.laboratory import train_folder
from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.splits import Split
from narrative_dag.sae.synthetic import synthetic_states
from resources.hashing import hash_folder

ROWS, D = 900, 12
SMALL = ("--features", "24", "--k", "4", "--epochs", "12", "--batch-size", "50", "--seeds", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("states") / "states.parquet"
    rows = synthetic_states(ROWS, D, 20, 3, seed=1, noise=0.02, offset=1.0).states
    columns = {
        "storyworld_id": [f"world {i // 90}" for i in range(ROWS)],
        "playthrough": pa.array([i // 9 % 10 for i in range(ROWS)], pa.int32()),
        "encounter": [f"page {i % 3}" for i in range(ROWS)],
        "visible": [["a", "b"]] * ROWS,
        "performable": [["a"] if i % 2 else ["a", "b"] for i in range(ROWS)],
        "state": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), D),
    }
    pq.write_table(pa.table(columns), path, row_group_size=200)
    return path


def run(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["sae", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def trained(states, tmp_path_factory) -> tuple[Path, dict[str, object]]:
    out = tmp_path_factory.mktemp("trainings") / "first"
    return out, run("train", "--states", states, "--out", out, "--architecture", "all", "--labels", *SMALL)


def test_a_training_fills_its_folder_and_says_what_it_measured(trained):
    out, line = trained
    names = [entry["name"] for entry in line["runs"]]
    assert {name.split("-")[0] for name in names} >= {"topk", "standard"}
    assert line["train_rows"] + line["held_out_rows"] == ROWS
    assert 0.1 * ROWS < line["held_out_rows"] < 0.3 * ROWS
    files = {path.name for path in out.iterdir()}
    saes = {f"sae-{i}" for i in range(len(names))}
    assert files == {*saes, "training_log.parquet", "metrics.json", "config.json", "comparison.html"}
    log = pl.read_parquet(out / "training_log.parquet")
    assert set(log["run"]) == set(names)
    assert {"loss", "l0"} <= set(log["metric"])
    page = (out / "comparison.html").read_text()
    assert all(name in page for name in names)
    assert [entry["l0"] for entry in line["runs"] if entry["name"].startswith("topk-")] == pytest.approx(
        [4, 4], abs=0.1
    )
    assert np.allclose(np.diag(line["mcc"]), 1)


def test_the_figures_are_those_of_rows_that_were_not_trained_on(trained, states):
    out, line = trained
    experiment = Experiment.read(out)
    table = pq.read_table(states)
    held_out = experiment.manifest.split.held_out(table.combine_chunks().to_batches()[0], 0)
    rows = np.stack(table["state"].to_numpy()).astype(np.float32)
    for sae, found in zip(experiment.saes, line["runs"], strict=True):
        expected = evaluate(sae, rows[~held_out], rows[held_out])
        assert found["fvu"] == pytest.approx(expected.fvu)
        assert found["rows"] == held_out.sum()


def test_playthroughs_are_held_out_whole_and_storyworlds_when_asked(states, tmp_path):
    table = pq.read_table(states).combine_chunks().to_batches()[0]
    for by, key in (("playthrough", ["storyworld_id", "playthrough"]), ("storyworld", ["storyworld_id"])):
        out = tmp_path / by
        run("train", "--states", states, "--out", out, *SMALL, "--split-by", by, "--held-out", 0.5)
        split = Experiment.read(out).manifest.split
        assert split.by == by
        marked = pl.DataFrame(table).with_columns(held=pl.Series(split.held_out(table, 0)))
        assert (
            marked.group_by(key).agg(pl.col("held").n_unique())["held"].to_list() == [1] * marked.select(key).n_unique()
        )


def test_a_finished_training_is_read_back_and_another_one_is_refused(trained, states):
    out, line = trained
    before = hash_folder(out)
    again = run("train", "--states", states, "--out", out, "--architecture", "all", "--labels", *SMALL, "--json")
    assert {**again, "cpu_seconds": 0} == {**line, "cpu_seconds": 0}
    result = CliRunner().invoke(app, ["sae", "train", "--states", str(states), "--out", str(out), *SMALL])
    assert isinstance(result.exception, NarrativeError)
    assert "config is not the same" in str(result.exception)
    assert hash_folder(out) == before


def test_a_training_that_was_cut_off_goes_on_to_the_same_bytes(states, tmp_path):
    split, config = Split(by="row", share=0.3, seed=5), read_config(_config_file(tmp_path))
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    def kill(what: str, done: int, total: int) -> None:
        if what.startswith("train") and done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_folder(states, cut, config, split, 5, progress=kill)
    assert [path.name for path in cut.iterdir()] == ["work"]
    steps: list[int] = []

    def note(what: str, done: int, total: int) -> None:
        if what.startswith("train"):
            steps.append(done)

    train_folder(states, cut, config, split, 5, progress=note)
    train_folder(states, whole, config, split, 5)
    assert steps[0] > 0.4 * steps[-1]
    assert hash_folder(cut) == hash_folder(whole)


def _config_file(folder: Path) -> Path:
    path = folder / "config.toml"
    path.write_text(
        'epochs = 12\nbatch_size = 50\ndevice = "cpu"\n'
        '[[runs]]\nlr = 0.01\nseed = 3\narchitecture = {architecture = "topk", k_features = 20, k = 3}\n'
        '[[runs]]\nlr = 0.004\narchitecture = {architecture = "standard", k_features = 30, l1 = 0.02}\n'
    )
    return path


def test_a_file_gives_the_whole_configuration(states, tmp_path):
    path, out = _config_file(tmp_path), tmp_path / "out"
    line = run("train", "--states", states, "--out", out, "--config", path)
    assert [entry["name"] for entry in line["runs"]] == ["topk-20-k3-lr0.01-seed3", "standard-30-l10.02-lr0.004-seed0"]
    as_json = tmp_path / "config.json"
    as_json.write_text(read_config(path).model_dump_json())
    assert read_config(as_json) == read_config(path) == Experiment.read(out).manifest.config


@pytest.mark.parametrize("kind", [("--stream",), ("--stream", "--labels"), ("--in-memory", "--labels")])
def test_states_are_streamed_and_labelled_when_asked(states, tmp_path, kind):
    out = tmp_path / "out"
    line = run("train", "--states", states, "--out", out, *SMALL, *kind)
    manifest = Experiment.read(out).manifest
    assert line["streamed"] == manifest.streamed == ("--stream" in kind)
    assert manifest.labels == (8 if "--labels" in kind else 0)
    assert all(entry["fvu"] < 0.7 for entry in line["runs"])


def test_a_learning_rate_that_was_found_is_named(states, tmp_path):
    out = tmp_path / "out"
    line = run("train", "--states", states, "--out", out, *SMALL, "--lr", "auto")
    rates = [trained.lr for trained in Experiment.read(out).runs]
    assert len(set(rates)) == 1
    assert rates[0] in Experiment.read(out).manifest.config.sweep.rates
    assert all(f"lr{rates[0]:g}" in entry["name"] for entry in line["runs"])
    page = (out / "comparison.html").read_text()
    assert page.count(f'data-name="{line["runs"][0]["name"]}"') >= 3


def test_checkpoints_and_folders_are_evaluated(trained, states):
    out, line = trained
    found = run("evaluate", "--states", states, "--sae", out, "--sae", out / "sae-1", "--kmeans")
    assert found["runs"][:-1] == line["runs"]
    assert found["runs"][-1] == {**line["runs"][1], "name": "sae-1"}
    assert all(0 < fvu < 1 for _, fvu in found["oracles"]["k-means"])
    assert run("evaluate", "--states", states, "--sae", out, "--all")["runs"][0]["rows"] == ROWS


def test_trainings_are_compared_on_one_page(trained, states, tmp_path):
    out, line = trained
    other = tmp_path / "second"
    run("train", "--states", states, "--out", other, *SMALL, "--lr", "0.02")
    page = tmp_path / "page.html"
    found = run("compare", out, other, "--states", states, "--out", page)
    names = [f"first/{entry['name']}" for entry in line["runs"]]
    assert [entry["name"] for entry in found["runs"]] == [
        *names,
        *(f"second/topk-24-k4-lr0.02-seed{seed}" for seed in (0, 1)),
    ]
    assert [entry["fvu"] for entry in found["runs"][: len(names)]] == [entry["fvu"] for entry in line["runs"]]
    assert "second/topk-24-k4-lr0.02-seed1" in page.read_text()


def test_autoencoders_with_other_splits_are_compared_on_all_rows_alone(trained, states, tmp_path):
    out, _ = trained
    other, page = tmp_path / "second", tmp_path / "page.html"
    run("train", "--states", states, "--out", other, *SMALL, "--seed", 8)
    arguments = ["sae", "compare", str(out), str(other), "--states", str(states), "--out", str(page)]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, NarrativeError)
    assert "--all" in str(refused.exception)
    assert not page.exists()
    assert CliRunner().invoke(app, [*arguments, "--all"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lr", "fast"), "lr"),
        (("--architecture", "perceptron"), "unknown architecture 'perceptron'"),
        (("--features", "10", "--k", "20"), "k = 20 is above k_features = 10"),
        (("--held-out", "1"), "share"),
        (("--split-by", "planet"), "'storyworld', 'playthrough' or 'row'"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
        (("--config", "nowhere.toml", "--k", "3"), "--k"),
        (("--device", "abacus"), "device"),
        (("--states", "nowhere.parquet"), "nowhere.parquet"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_written(states, tmp_path, arguments, message):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["sae", "train", "--states", str(states), "--out", str(out), *arguments])
    assert isinstance(result.exception, NarrativeError)
    assert message in str(result.exception)
    assert not out.exists()


def test_two_runs_of_one_name_and_foreign_folders_are_refused(states, tmp_path):
    double = tmp_path / "double.json"
    double.write_text('{"runs": [{}, {}]}')
    for out, arguments, message in (
        (tmp_path / "out", ("--config", str(double)), "given twice"),
        (tmp_path, (), "something else"),
        (double, (), "no folder"),
    ):
        result = CliRunner().invoke(app, ["sae", "train", "--states", str(states), "--out", str(out), *arguments])
        assert isinstance(result.exception, NarrativeError)
        assert message in str(result.exception)


def refusal(*arguments: object) -> str:
    """What is wrong, in one line."""
    result = CliRunner().invoke(app, ["sae", *map(str, arguments)])
    assert isinstance(result.exception, NarrativeError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("state", pa.FixedSizeListArray.from_arrays(pa.array(np.ones(ROWS * D, np.float32)), D), "do not vary"),
        ("playthrough", pa.array(np.arange(ROWS) / 9), "playthrough: playthroughs are whole numbers.*double"),
        ("playthrough", pa.array(["first"] * ROWS), "playthrough: playthroughs are whole numbers.*string"),
        ("storyworld_id", pa.array([[1]] * ROWS), "storyworld_id: ids are texts or whole numbers.*list"),
        ("encounter", pa.array([0.5] * ROWS), "encounter: ids are texts or whole numbers.*double"),
        ("visible", pa.array(["a"] * ROWS), "visible: options are lists of ids.*string"),
    ],
)
def test_columns_of_other_kinds_are_refused_before_anything_is_written(states, tmp_path, name, column, message):
    table = pq.read_table(states)
    wrong = tmp_path / "wrong.parquet"
    pq.write_table(table.set_column(table.column_names.index(name), name, column), wrong)
    said = refusal("train", "--states", wrong, "--out", tmp_path / "out", "--labels", *SMALL)
    assert re.search(rf"wrong\.parquet.*{message}", said)
    assert not (tmp_path / "out").exists()


def test_a_folder_below_a_file_is_refused_before_the_states_are_read(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert "file: is no folder" in refusal("train", "--states", "nowhere", "--out", file / "a" / "b")
    assert "file: is no folder" in refusal("compare", tmp_path, "--states", "nowhere", "--out", file / "page.html")


def test_states_of_another_length_are_refused_by_name(trained, tmp_path):
    out, line = trained
    other, page = tmp_path / "other.parquet", tmp_path / "page.html"
    pq.write_table(pa.table({"state": [[float(i), 1.0, 2.0] for i in range(50)]}), other)
    what = f"the states have length 3, {line['runs'][0]['name']} reads {D}"
    assert what in refusal("evaluate", "--states", other, "--sae", out, "--all")
    assert what in refusal("compare", out, "--states", other, "--out", page, "--all")
    assert not page.exists()


def test_folders_of_one_name_are_told_apart_and_one_given_twice_is_refused(states, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        run("train", "--states", states, "--out", f"{folder}/saes", *SMALL, "--seeds", 1)
    page = tmp_path / "page.html"
    measured = [
        run("compare", "a/saes", "b/saes", "--states", states, "--out", page),
        run("evaluate", "--states", states, "--sae", "a/saes", "--sae", "b/saes"),
    ]
    for line in measured:
        assert [entry["name"].rpartition("/")[0] for entry in line["runs"]] == ["a/saes", "b/saes"]
    assert "given twice" in refusal("compare", "a/saes", "b/../a/saes", "--states", states, "--out", page)


def test_folders_that_are_damaged_or_of_something_else_are_refused_in_one_line(trained, states, tmp_path):
    out, line = trained
    shutil.copytree(out / "sae-0", shutil.copytree(out, tmp_path / "more") / f"sae-{len(line['runs'])}")
    assert f"{len(line['runs']) + 1} autoencoders" in refusal(
        "evaluate", "--states", states, "--sae", tmp_path / "more"
    )
    (shutil.copytree(out, tmp_path / "empty") / "metrics.json").write_text("{}")
    assert "damaged: metrics: Field required" in refusal("evaluate", "--states", states, "--sae", tmp_path / "empty")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"model_type": "gpt2"}')
    assert "not of a training" in refusal("train", "--states", states, "--out", foreign)
    assert "not of a training" in refusal("evaluate", "--states", states, "--sae", foreign)


def test_an_earlier_trainings_autoencoders_do_not_stay_behind(trained, tmp_path):
    saes = load_saes(trained[0])
    save_saes(saes, tmp_path)
    save_saes(saes[:2], tmp_path)
    assert len(load_saes(tmp_path)) == 2


def test_k_means_is_measured_where_there_are_states_enough_or_refused_afterwards(states, tmp_path):
    few = ("--features", ROWS, "--k", 1, "--epochs", 1, "--seeds", 1, "--device", "cpu")
    line = run("train", "--states", states, "--out", tmp_path / "few", *few, "--kmeans")
    assert line["oracles"]["k-means"] == []
    assert "Curves: PCA with" in (tmp_path / "few" / "comparison.html").read_text()
    run("train", "--states", states, "--out", tmp_path / "without", *few)
    said = refusal("train", "--states", states, "--out", tmp_path / "without", *few, "--kmeans")
    assert "finished without k-means" in said


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_what_is_no_training_is_refused(command, states, tmp_path):
    given = ["--sae", str(tmp_path)] if command == "evaluate" else [str(tmp_path), "--out", str(tmp_path / "page.html")]
    result = CliRunner().invoke(app, ["sae", command, *given, "--states", str(states)])
    assert isinstance(result.exception, NarrativeError)
    assert "no finished training" in str(result.exception)


def test_a_policys_activations_are_states_to_train_on(tmp_path):
    from narrative_dag.policy.config import PolicyConfig
    from narrative_dag.policy.model import new_policy
    from narrative_dag.policy.tokenizer import Document, train_tokenizer

    config = PolicyConfig(layers=2, width=32, heads=2, vocabulary=300, positions=64)
    texts = [
        f"the {animal} sat on the {thing} and looked at it" for animal in ("cat", "dog") for thing in ("mat", "log")
    ]
    policy = new_policy(config, train_tokenizer([Document("", text) for text in texts], 300, 64), 0)
    policy.save(tmp_path / "policy")
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n\n")
    out = tmp_path / "activations.parquet"
    line = run(
        "activations", "--policy", tmp_path / "policy", "--texts", tmp_path / "texts.txt", "--layer", 1, "--out", out
    )
    assert line["texts"] == 4
    assert line["d"] == 32
    assert pq.read_table(out).num_rows == line["rows"] > 20
    trained = run("train", "--states", out, "--out", tmp_path / "saes", *SMALL, "--split-by", "row")
    assert trained["train_rows"] + trained["held_out_rows"] == line["rows"]


def test_texts_come_from_tables_objects_or_lines(tmp_path):
    frame = pl.DataFrame({"text": ["one", "two"], "storyworld_id": ["a", "b"]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    (tmp_path / "t.txt").write_text("one\n\ntwo\n")
    assert read_texts(tmp_path / "t.parquet") == read_texts(tmp_path / "t.jsonl") == (["one", "two"], ["a", "b"])
    assert read_texts(tmp_path / "t.txt") == (["one", "two"], None)
    (tmp_path / "empty.txt").write_text("\n")
    frame.with_columns(storyworld_id=pl.Series(["a", None])).write_parquet(tmp_path / "nameless.parquet")
    frame.select(text=pl.Series([["one"], ["two"]])).write_parquet(tmp_path / "lists.parquet")
    for name in ("empty.txt", "nowhere.txt", "nameless.parquet", "lists.parquet"):
        with pytest.raises(NarrativeError, match=name):
            read_texts(tmp_path / name)
