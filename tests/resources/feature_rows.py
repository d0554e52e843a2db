import pyarrow as pa

from narrative_dag.tables import TABLES


def features(count: int, activation: float = 1.0) -> pa.Table:
    """Rows of the table `features`, all of one activation."""
    rows = [
        {
            "storyworld_id": f"w{i % 7}",
            "playthrough": i % 3,
            "step": i,
            "sae": 0,
            "feature": i % 5,
            "activation": activation,
        }
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["features"].schema)
