"""A set that is not where it was looked for is told with what may be meant."""

import pytest

from input_pipeline import catalogue
from input_pipeline.errors import DataError


def test_a_set_that_lies_one_folder_below_is_pointed_at(tmp_path):
    (tmp_path / "sets" / "cifar100").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        catalogue.fetch("cifar100", "train", str(tmp_path), download=False)
    assert f"did you mean {str(tmp_path / 'sets')!r}?" in str(caught.value)
    with pytest.raises(DataError) as caught:
        catalogue.fetch("cifar10", "train", str(tmp_path), download=False)
    assert "did you mean" not in str(caught.value)
