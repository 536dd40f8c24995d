"""What is written of one factorization: tables, summary, picture, page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import csv, parquet

import gpuemb as ge
from gpuemb.core.progress import SILENT
from gpuemb.report.factorization import page, tables
from gpuemb.report.factorization.described import Described, describe
from gpuemb.report.factorization.figures import picture
from gpuemb.report.factorization.picture import Panel, _thinned, cosine_plots


@pytest.fixture(scope="module")
def data() -> ge.Interactions:
    """Interactions whose names would break a page that does not escape them."""
    made = ge.simulate_interactions(400, 30, 3, most=12, seed=1).matrix.tocoo()
    items = np.array([f"<i>{number}</i> & co" for number in range(30)])
    return ge.read_interactions(pyarrow.table({"u": made.row, "i": items[made.col]}), "u", "i")


@pytest.fixture(scope="module")
def found(data: ge.Interactions) -> Described:
    return describe(data, 8, 50.0, source="<a>.csv", second_penalty=None, k=4, progress=SILENT)


@pytest.fixture(scope="module")
def experiment() -> ge.CosineExperiment:
    return ge.cosine_experiment([0, 1], users=200, items=30, rank=5, penalty=10.0)


def test_the_tables_say_what_the_front_door_says(data: ge.Interactions, found: Described) -> None:
    factors, written = ge.factorize(data, 8, 50.0), tables.tables(found)
    nearest = factors.rescale("original-space").nearest("item", 4)
    rows = [row for row in written["neighbors"].to_pylist() if row["solution"] == "original-space"]
    expected = [(data.items[q], name, cosine) for q in range(30) for name, cosine in nearest.named(q)]
    assert [(row["item"], row["neighbor"], row["cosine"]) for row in rows] == expected
    assert [row["rank"] for row in rows] == [1, 2, 3, 4] * 30
    items = written["items"].to_pydict()
    assert items["item"] == list(data.items)
    assert items["users"] == data.item_counts.tolist()
    assert items["weight"] == [float(count) for count in items["users"]]
    open_ = ge.ambiguity(factors, k=4)
    sigma = [row["survive"] for row in open_.rows.to_pylist() if row["family"] == "D = σ^t"]
    assert items["survive σ_t"] == sigma
    assert all(0 <= share <= 1 for share in items["shared identity"])
    spectrum = written["spectrum"].to_pydict()
    assert spectrum["singular_value"] == factors.singular_values.tolist()
    assert spectrum["kept_by_objective_2"] == factors.at(50**0.5, objective=2).shrinkage.tolist()
    assert written["along"] == open_.along


def test_shared_neighbors_are_counted_as_sets_are(found: Described) -> None:
    one, other = found.plain, found.original
    assert one.neighbors is not None
    assert other.neighbors is not None
    expected = [
        len({*a.tolist()} & {*b.tolist()}) / 4
        for a, b in zip(one.neighbors.ids, other.neighbors.ids, strict=True)
    ]
    assert one.shared(other).tolist() == expected
    assert (other.shared(other) == 1).all()


def test_tables_are_written_as_parquet_or_csv(found: Described, tmp_path: Path) -> None:
    made = tables.tables(found)
    for kind in ("parquet", "csv"):
        paths = tables.write_tables(made, tmp_path, kind)
        assert [path.name for path in paths] == [f"{name}.{kind}" for name in made]
    assert parquet.read_table(tmp_path / "items.parquet") == made["items"]
    assert csv.read_csv(tmp_path / "items.csv").column_names == made["items"].column_names


def test_the_summary_holds_what_json_can_say(data: ge.Interactions, found: Described) -> None:
    said = tables.summary(found)
    assert (said["users"], said["items"], said["rank"]) == (len(data.users), 30, 8)
    assert [one["solution"] for one in said["solutions"]][-1] == "original-space"
    assert said["solutions"][-1]["shared_with_original_space"] == 1.0
    assert {one["family"] for one in said["families"]} == {"D = s^t", "D = σ^t"}


class Page(HTMLParser):
    """Elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_the_page_escapes_every_name_and_asks_no_network(found: Described, tmp_path: Path) -> None:
    path = page.write_factorization_page(found, tmp_path / "report.html", "<script>title")
    text = path.read_text("utf-8")
    assert "i" not in Page(text).tags
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;title" in text
    assert "&lt;i&gt;" in text
    assert text.count("<svg") == 4  # the picture on light and dark paper, two plots
    addresses = {*re.findall(r"https?://[^\"' <]+", text)}
    assert all("w3.org" in one for one in addresses)


@pytest.mark.slow
def test_an_empty_objective_and_empty_squares_are_drawn(data: ge.Interactions, tmp_path: Path) -> None:
    found = describe(data, 3, 1.0, source="a.csv", second_penalty=1e9, k=100, progress=SILENT)
    assert found.k == 29
    assert "objective 2" not in {*tables.tables(found)["neighbors"]["solution"].to_pylist()}
    assert tables.summary(found)["solutions"][3]["shared_with_original_space"] is None
    assert "no cosines" in picture(found)[0].label
    assert "0 of 3" in page.claims(found)[-1].headline
    page.write_factorization_page(found, tmp_path / "report.html", "empty")


def test_too_few_items_are_refused() -> None:
    few = ge.read_interactions(pyarrow.table({"u": [1, 2, 2], "i": ["a", "b", "c"]}), "u", "i")
    with pytest.raises(ge.ConfigError, match="3 items"):
        describe(few, 2, 1.0, source="", second_penalty=None, k=10, progress=SILENT)


@pytest.mark.parametrize("size", [1, 440, 441, 1000])
def test_squares_are_thinned_to_means_of_their_cells(size: int) -> None:
    cosines = np.random.default_rng(size).uniform(-1, 1, (size, size)).astype(np.float32)
    cosines[0] = np.nan
    step = -(-size // 440)
    found = _thinned(cosines)
    assert found.shape == (-(-size // step),) * 2
    for row, column in ((0, 0), (len(found) - 1, len(found) - 1), (len(found) // 2, 0)):
        cell = cosines[row * step : (row + 1) * step, column * step : (column + 1) * step]
        known = cell[np.isfinite(cell)]
        if len(known):
            assert found[row, column] == pytest.approx(known.mean(dtype=np.float64), abs=1e-6)
        else:
            assert np.isnan(found[row, column])


def test_a_picture_has_the_same_bytes_again_and_other_colors_in_the_dark() -> None:
    panels = [Panel("one", np.eye(5, dtype=np.float32), (("within 1", "between 0"),))]
    light, dark = cosine_plots("test", panels, np.array([2]))
    assert (light, dark) == cosine_plots("test", panels, np.array([2]))
    assert light.svg != dark.svg
    assert light.label == "one: within 1, between 0"


@pytest.mark.parametrize(
    ("ending", "theme"),
    [
        ("png", "light"),
        ("svg", "dark"),
        pytest.param("pdf", "light", marks=pytest.mark.slow),
        pytest.param("png", "dark", marks=pytest.mark.slow),
        pytest.param("svg", "light", marks=pytest.mark.slow),
        pytest.param("pdf", "dark", marks=pytest.mark.slow),
    ],
)
def test_the_picture_of_an_experiment_is_a_file(
    experiment: ge.CosineExperiment, ending: str, theme: str, tmp_path: Path
) -> None:
    path = ge.write_cosine_picture(experiment, tmp_path / f"picture.{ending}", theme=theme)  # type: ignore[arg-type]
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begins)
    with pytest.raises(ge.ConfigError, match="ending"):
        ge.write_cosine_picture(experiment, tmp_path / "picture.gif")


def test_the_page_of_an_experiment_lists_every_solution(
    experiment: ge.CosineExperiment, tmp_path: Path
) -> None:
    text = page.write_experiment_page(experiment, tmp_path / "report.html", "Clusters").read_text("utf-8")
    for one in experiment.panels:
        assert f'<th scope="row">{one.title}</th>' in text
    assert text.count("<svg") == 2
