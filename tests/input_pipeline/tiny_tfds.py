"""A prepared data set as TFDS leaves it, written by hand: no TensorFlow."""

import io
import json
import pathlib

import numpy as np
from array_record.python import array_record_module
from PIL import Image


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _example(image: bytes, label: int) -> bytes:
    """A tf.train.Example in protocol buffers' wire format."""
    image_feature = _field(1, _field(1, image))
    label_feature = _field(3, _field(1, _varint(label)))
    entries = [(b"image", image_feature), (b"label", label_feature)]
    features = b"".join(
        _field(1, _field(1, name) + _field(2, feature)) for name, feature in entries
    )
    return _field(1, features)


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, kind)
    return file.getvalue()


def write_tfds(
    data_dir: pathlib.Path,
    name: str,
    splits: dict[str, tuple[list[bytes], list[int]]],
    shape: tuple,
    num_labels: int,
    version: str = "1.0.0",
) -> pathlib.Path:
    """Writes encoded images and labels of each split; returns the directory."""
    folder = data_dir / name / version
    folder.mkdir(parents=True)
    infos = []
    for split, (images, labels) in splits.items():
        path = folder / f"{name}-{split}.array_record-00000-of-00001"
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for image, label in zip(images, labels, strict=True):
            writer.write(_example(image, label))
        writer.close()
        infos.append(
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split,
                "numBytes": "1",
                "shardLengths": [str(len(labels))],
            }
        )
    info = {"fileFormat": "array_record", "name": name, "splits": infos}
    info["version"] = version
    (folder / "dataset_info.json").write_text(json.dumps(info))
    dimensions = ["-1" if side is None else str(side) for side in shape]
    core = "tensorflow_datasets.core.features"
    features = {
        "image": {
            "image": {"dtype": "uint8", "shape": {"dimensions": dimensions}},
            "pythonClassName": f"{core}.image_feature.Image",
        },
        "label": {
            "classLabel": {"numClasses": str(num_labels)},
            "pythonClassName": f"{core}.class_label_feature.ClassLabel",
        },
    }
    whole = {
        "featuresDict": {"features": features},
        "pythonClassName": f"{core}.features_dict.FeaturesDict",
    }
    (folder / "features.json").write_text(json.dumps(whole))
    return folder
