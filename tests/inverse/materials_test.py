"""Whole materials are dealt, the same way on every process."""

import pytest

from inverse.errors import ConfigError
from inverse.materials import (
    digest_of_materials,
    embedded_materials,
    materials_of,
    split_materials,
)

SETTINGS = {
    "seed": 0,
    "validation_share": 0.2,
    "held_out_share": 0.2,
    "held_out_space_groups": (229,),
}


def test_no_material_is_in_two_splits_and_none_is_lost():
    materials = embedded_materials()
    splits = split_materials(materials, **SETTINGS)
    names = [m.name for members in splits.values() for m in members]
    assert sorted(names) == sorted(m.name for m in materials)
    assert len(set(names)) == len(names) >= 30
    assert {m.space_group for m in splits["space_groups"]} == {229}
    others = [m for name in splits if name != "space_groups" for m in splits[name]]
    assert 229 not in {m.space_group for m in others}
    assert all(splits[name] for name in ("train", "validation", "materials"))


def test_what_is_chosen_on_does_not_move_what_is_reported():
    few, many = (
        split_materials(embedded_materials(), **SETTINGS | {"validation_share": share})
        for share in (0.1, 0.4)
    )
    assert len(few["validation"]) < len(many["validation"])
    for name in ("materials", "space_groups"):
        assert [m.name for m in few[name]] == [m.name for m in many[name]]


def test_a_materials_place_depends_on_no_other():
    materials = embedded_materials()
    whole = split_materials(materials, **SETTINGS)
    part = split_materials(materials[::-1][:25], **SETTINGS)
    for name, members in part.items():
        assert {m.name for m in members} <= {m.name for m in whole[name]}
    other = split_materials(materials, **{**SETTINGS, "seed": 1})
    assert {m.name for m in other["train"]} != {m.name for m in whole["train"]}


def test_structures_are_read_from_a_folder(tmp_path):
    for material in embedded_materials()[:3]:
        material.atoms.write(tmp_path / f"{material.name}.cif")
    assert [m.name for m in materials_of(str(tmp_path))] == ["Ag", "Al", "Cu"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"config\.dataset\.structures.*holds no"):
        materials_of(str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"structures='.*/gone': no such folder"):
        materials_of(str(tmp_path / "gone"))


def test_an_empty_split_is_refused():
    with pytest.raises(ConfigError, match="'validation'"):
        split_materials(
            embedded_materials()[:1],
            seed=0,
            validation_share=1e-9,
            held_out_share=1e-9,
            held_out_space_groups=(),
        )


def test_crystals_that_differ_anywhere_have_another_digest():
    materials = embedded_materials()
    digest = digest_of_materials(materials)
    assert digest == digest_of_materials(embedded_materials())
    moved = materials[0].atoms.copy()
    moved.positions[0, 0] += 1e-9
    others = [materials[0]._replace(atoms=moved), *materials[1:]]
    assert digest_of_materials(others) != digest
    assert digest_of_materials(materials[1:]) != digest
