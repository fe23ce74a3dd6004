"""Messages and bytes per step of four ways to agree on what is reduced, counted.

python -m benchmarks.control_plane [--ranks=6,27600] [--tensors=32,161]
"""

from absl import app, flags

from parallel import control_plane_table

_RANKS = flags.DEFINE_list(
    "ranks", list(map(str, control_plane_table.NUM_RANKS)), "That negotiate."
)
_TENSORS = flags.DEFINE_list(
    "tensors", list(map(str, control_plane_table.NUM_TENSORS)), "Gradients of a step."
)


def main(argv: list[str]) -> None:
    """Prints the table; `benchmarks.tables` writes that of the default sizes."""
    del argv
    rows = control_plane_table.compare_all(
        tuple(map(int, _RANKS.value)), tuple(map(int, _TENSORS.value))
    )
    print(control_plane_table.table(rows))


if __name__ == "__main__":
    app.run(main)
