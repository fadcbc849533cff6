"""Human3.6M's layouts: generated people written and read back; damaged and missing files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import loadmat, savemat

from tuskbench.data.generators.people import Scene, generate
from tuskbench.data.human36m import (
    ACTIONS,
    CAMERAS,
    LEFT,
    RIGHT,
    SUBJECTS,
    facing_camera_swap,
    foreground_crop,
    in_test,
    into_window,
)
from tuskbench.data.readers.h36m import lmdis, official, tusk
from tuskbench.data.readers.h36m.frames import spread, to_fractions
from tuskbench.errors import DataFormatError, DataMissingError

COUNT = 14


@pytest.fixture(scope="module")
def people():
    return generate(Scene(tusk.STORED_SIDE), 0, "layout", np.arange(COUNT))


def names(people, pattern: str) -> list[str]:
    rows = zip(people.subject, people.action, people.camera, strict=True)
    kind = lmdis.LANDMARKS
    return [
        pattern.format(SUBJECTS[subject], ACTIONS[action], CAMERAS[camera], number, kind)
        for number, (subject, action, camera) in enumerate(rows)
    ]


def write_tusk(folder, people) -> None:
    paths = names(people, "Cropped_Images/{1}/{0}/{1}.{2}/{3:04}.jpg")
    fractions = to_fractions(people.landmarks.numpy(), tusk.STORED_SIDE)
    tusk.write(folder, paths, people.images.numpy(), fractions)


def write_lmdis(folder, people) -> None:
    clips = names(people, "{0}/{1} 1.{2}/{3:04}")
    fractions = to_fractions(people.landmarks.numpy(), tusk.STORED_SIDE)
    images, masks = people.images.numpy(), people.masks.numpy()
    lmdis.write(folder, clips, images, masks, fractions)


def assert_same(frames, people, chosen, size: int) -> None:
    expected = generate(Scene(size), 0, "layout", np.array(chosen))
    # Two ways to a small image, one through JPEG: the same but for edges.
    difference = np.abs(frames.images.astype(float) - expected.images.numpy())
    assert difference.mean() < 4
    np.testing.assert_allclose(frames.landmarks, expected.landmarks.numpy(), atol=0.01)


def test_tusks_layout_round_trip(tmp_path, people) -> None:
    write_tusk(tmp_path, people)
    of_s1 = [i for i in range(COUNT) if SUBJECTS[people.subject[i]] in ("S1", "S11")]
    listed = (tmp_path / "test_img_list.txt").read_text().split()
    assert all("/S1/" in path or "/S11/" in path for path in listed)
    assert len(listed) == len(of_s1)
    assert_same(tusk.read(tmp_path, "test", "tusk", 112, 100), people, of_s1, 112)
    others = [i for i in range(COUNT) if i not in of_s1]
    assert_same(tusk.read(tmp_path, "train", "tusk", 112, 100), people, others, 112)


def test_tusks_layout_in_the_papers_split(tmp_path, people) -> None:
    write_tusk(tmp_path, people)
    of_s11 = [i for i in range(COUNT) if SUBJECTS[people.subject[i]] == "S11"]
    assert_same(tusk.read(tmp_path, "test", "lmdis", 64, 100), people, of_s11, 64)
    assert len(tusk.read(tmp_path, "train", "lmdis", 64, 100).images) == COUNT - len(of_s11)
    assert len(tusk.read(tmp_path, "train", "lmdis", 64, 5).images) == 5


def test_lmdis_layout_round_trip(tmp_path, people) -> None:
    write_lmdis(tmp_path, people)
    of_s11 = [i for i in range(COUNT) if SUBJECTS[people.subject[i]] == "S11"]
    # Frames are sorted by clip.
    clips = names(people, "{0}/{1} 1.{2}/{3:04}")
    of_s11.sort(key=lambda i: clips[i])
    read = lmdis.read(tmp_path, "test", "lmdis", 64, 100, 1.0)
    assert_same(read, people, of_s11, 64)
    grey = lmdis.read(tmp_path, "test", "lmdis", 64, 100, 0.5).images
    assert (grey[:, :, 0, 0] == 128).all()
    assert len(lmdis.read(tmp_path, "train", "lmdis", 64, 100, 1.0).images) == COUNT - len(of_s11)


def exchange_columns(folder) -> None:
    for file in folder.rglob("*.mat"):
        savemat(file, {lmdis.VARIABLE: loadmat(file)[lmdis.VARIABLE][:, ::-1]})


def test_lmdis_landmarks_are_stored_row_first(tmp_path, people) -> None:
    write_lmdis(tmp_path, people)
    fractions = to_fractions(people.landmarks.numpy(), tusk.STORED_SIDE)
    for name, pose in zip(names(people, "{0}/{4}/{1} 1.{2}/{3:04}.mat"), fractions, strict=True):
        stored = loadmat(tmp_path / name)["keypoints_2d"]
        # A standing person is higher than wide: the first column is the row.
        np.testing.assert_allclose(stored, pose[:, [1, 0]])
        assert np.ptp(stored[:, 0]) > np.ptp(stored[:, 1])


def test_lmdis_landmarks_in_the_other_order_are_refused(tmp_path, people) -> None:
    write_lmdis(tmp_path, people)
    exchange_columns(tmp_path)
    with pytest.raises(DataFormatError, match=r"joints lie in the masks.*100% once.*exchanged"):
        lmdis.read(tmp_path, "train", "lmdis", 64, 100, 1.0)


def test_lmdis_masks_of_other_frames_are_refused(tmp_path, people) -> None:
    write_lmdis(tmp_path, people)
    for file in tmp_path.rglob("*.png"):
        mask = np.zeros((128, 128), np.uint8)
        mask[:30, :30] = 255
        Image.fromarray(mask).save(file)
    with pytest.raises(DataFormatError, match="do not belong together"):
        lmdis.read(tmp_path, "test", "lmdis", 64, 100, 1.0)


def test_masks_of_zeros_and_ones_are_masks(tmp_path, people) -> None:
    write_lmdis(tmp_path, people)
    expected = lmdis.read(tmp_path, "test", "lmdis", 64, 100, 0.5)
    for file in tmp_path.rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(file)) // 255).save(file)
    found = lmdis.read(tmp_path, "test", "lmdis", 64, 100, 0.5)
    np.testing.assert_array_equal(found.images, expected.images)
    assert (found.images == 128).mean() < 0.95


@pytest.mark.parametrize(
    ("clip", "taken"),
    [
        ("Walking.54138969", True),
        ("Walking 1.54138969", True),
        ("WalkingDog 1.54138969", False),
        ("WalkTogether.54138969", False),
        ("Waiting2.54138969", False),
    ],
)
def test_actions_are_names_and_no_beginnings(tmp_path, people, clip: str, taken: bool) -> None:
    images, masks = people.images.numpy()[:2], people.masks.numpy()[:2]
    fractions = to_fractions(people.landmarks.numpy()[:2], tusk.STORED_SIDE)
    frames = ["S11/Posing 1.54138969/0001", f"S11/{clip}/0001"]
    lmdis.write(tmp_path, frames, images, masks, fractions)
    assert lmdis.listed(tmp_path, "test", "lmdis") == frames[: 1 + taken]


def test_official_poses_round_trip(tmp_path) -> None:
    pytest.importorskip("cdflib")
    joints = np.random.default_rng(0).uniform(0, 1000, (5, 32, 2))
    official.write_poses(tmp_path / "a.cdf", joints)
    np.testing.assert_allclose(official.read_poses(tmp_path / "a.cdf"), joints, rtol=1e-6)


def test_official_files(tmp_path) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("cdflib")
    # A grey person-shaped box of 200 x 400 pixels that walks to the right.
    joints = np.zeros((6, 32, 2))
    joints[..., 0] = 400 + 40 * np.arange(6)[:, None]
    joints[..., 1] = np.linspace(300, 700, 32)
    joints[:, [4, 10], 1], joints[:, 15, 1] = 700, 300
    place = tmp_path / "Poses_D2_Positions_Walking" / "S11"
    official.write_poses(place / official.POSES / "Walking 1.54138969.cdf", joints)
    for part, person, floor in ((official.VIDEOS, 128, 40), (official.MASKS, 255, 0)):
        frames = np.full((6, 1000, 1000, 3), floor, np.uint8)
        for number, frame in enumerate(frames):
            frame[300:700, 300 + 40 * number : 500 + 40 * number] = person
        file = tmp_path / "archive" / "S11" / part / "Walking 1.54138969.mp4"
        file.parent.mkdir(parents=True)
        with av.open(str(file), "w") as container:
            stream = container.add_stream("mpeg4", rate=50)
            stream.width = stream.height = 1000
            stream.pix_fmt = "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    read = official.read(tmp_path, "test", "lmdis", 48, 3, 1.0)
    assert read.images.shape == (3, 3, 48, 48)
    # The crop is 480 pixels high and wide, so the person fills the middle 20 x 40 of 48.
    assert (read.images[:, :, :, :8] == 255).all()
    assert (read.images[:, :, :3] == 255).all()
    middle = read.images[:, :, 8:40, 16:32].astype(int)
    assert np.abs(middle - 128).max() < 12
    np.testing.assert_allclose(read.landmarks[:, 15, 1], 40 / 480 * 48 - 0.5, atol=0.01)
    np.testing.assert_allclose(read.landmarks[:, :, 0], 23.5, atol=0.01)
    with pytest.raises(DataMissingError, match="D2_Positions"):
        official.read(tmp_path, "train", "lmdis", 48, 3, 1.0)
    (tmp_path / "archive" / "S11" / official.VIDEOS / "Walking 1.54138969.mp4").unlink()
    with pytest.raises(DataMissingError, match="Videos/Walking"):
        official.read(tmp_path, "test", "lmdis", 48, 3, 1.0)


def test_official_poses_beside_their_person_are_refused(tmp_path) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("cdflib")
    joints = np.full((4, 32, 2), 500.0)
    joints[..., 1] = np.linspace(300, 700, 32)
    joints[:, [4, 10], 1], joints[:, 15, 1] = 700, 300
    official.write_poses(tmp_path / "S11" / official.POSES / "Posing.54138969.cdf", joints)
    for part in (official.VIDEOS, official.MASKS):
        file = tmp_path / "S11" / part / "Posing.54138969.mp4"
        file.parent.mkdir(parents=True)
        with av.open(str(file), "w") as container:
            stream = container.add_stream("mpeg4", rate=50)
            stream.width = stream.height = 1000
            stream.pix_fmt = "yuv420p"
            person = np.zeros((1000, 1000, 3), np.uint8)
            person[300:700, 560:640] = 255
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(person, format="rgb24")))
            container.mux(stream.encode())
    with pytest.raises(DataFormatError, match="0% of the joints lie in the masks"):
        official.read(tmp_path, "test", "lmdis", 48, 3, 1.0)


def test_crop_of_a_hand_made_person() -> None:
    joints = np.full((1, 32, 2), 500.0)
    joints[0, 15, 1], joints[0, 4], joints[0, 10] = 300, (480, 690), (531, 701.9)
    # Height 401, margin 40, half width 240, centre 505.
    np.testing.assert_array_equal(foreground_crop(joints, (1000, 1000)), [[265, 260, 745, 741]])
    near = joints - [300, 0]
    assert foreground_crop(near, (1000, 1000)).tolist() == [[0, 260, 445, 741]]
    placed, kept = into_window(joints, np.array([[265.0, 260, 745, 741]]), 224)
    assert kept.all()
    np.testing.assert_allclose(placed[0, 15], [(500 - 265) * 224 / 480, 40 * 224 / 481])
    joints[0, 27, 0] = 100
    assert not into_window(joints, np.array([[265.0, 260, 745, 741]]), 224)[1].any()


def test_swap_keeps_only_back_views() -> None:
    landmarks = np.zeros((4, 32, 2))
    landmarks[:, RIGHT, 0], landmarks[:, LEFT, 0] = 1, 0
    # 9 of 13 pairs are more than 0.67, 8 are not.
    for image, wrong in ((1, 4), (2, 5), (3, 13)):
        landmarks[image, RIGHT[:wrong], 0] = -1
    exchanged, swapped = facing_camera_swap(landmarks)
    assert swapped.tolist() == [False, False, True, True]
    np.testing.assert_array_equal(exchanged[:2], landmarks[:2])
    np.testing.assert_array_equal(exchanged[2:, RIGHT], landmarks[2:, LEFT])
    np.testing.assert_array_equal(exchanged[2:, LEFT], landmarks[2:, RIGHT])


def test_splits_by_subject() -> None:
    assert [s for s in SUBJECTS if in_test(s, "lmdis")] == ["S11"]
    assert [s for s in SUBJECTS if in_test(s, "tusk")] == ["S1", "S11"]


def test_spread_is_even() -> None:
    assert spread(list("abcdefgh"), 4) == list("aceg")
    assert spread(list("abc"), 4) == list("abc")


def test_missing_files_are_named(tmp_path) -> None:
    with pytest.raises(DataMissingError, match=r"train_img_list\.txt"):
        tusk.read(tmp_path, "train", "tusk", 32, 4)
    with pytest.raises(DataMissingError, match="S11/WithBackground"):
        lmdis.read(tmp_path, "test", "lmdis", 32, 4, 1.0)
    with pytest.raises(DataMissingError, match="register"):
        official.read(tmp_path, "test", "lmdis", 32, 4, 1.0)


def test_damaged_files_are_named(tmp_path, people) -> None:
    few = generate(Scene(224, ("S11",)), 0, "few", np.arange(2))
    write_tusk(tmp_path, few)
    picture = next(tmp_path.rglob("*.jpg"))
    picture.write_bytes(picture.read_bytes()[:100])
    with pytest.raises(DataFormatError, match=r"jpg.*picture"):
        tusk.read(tmp_path, "test", "tusk", 32, 4)
    (tmp_path / "test_img_list.txt").write_text("Cropped_Images/Walking/S11/x/1.jpg\n")
    with pytest.raises(DataFormatError, match="no pose"):
        tusk.read(tmp_path, "test", "tusk", 32, 4)
    (tmp_path / "cropped_pose.h5").write_bytes(b"no")
    with pytest.raises(DataFormatError, match="poses"):
        tusk.read(tmp_path, "test", "tusk", 32, 4)
    (tmp_path / "test_img_list.txt").write_text("Walking/1.jpg\n")
    with pytest.raises(DataFormatError, match="subject"):
        tusk.read(tmp_path, "test", "tusk", 32, 4)
    bad = tmp_path / "bad.cdf"
    bad.write_bytes(b"no")
    with pytest.raises(DataFormatError, match="CDF"):
        official.read_poses(bad)


def test_missing_masks_and_landmarks_are_named(tmp_path) -> None:
    write_lmdis(tmp_path, generate(Scene(224, ("S11",)), 0, "few", np.arange(3)))
    for kind, ending in ((lmdis.LANDMARKS, "mat"), (lmdis.MASKS, "png")):
        for file in list(tmp_path.rglob(f"{kind}/*/*.{ending}")):
            file.unlink()
        with pytest.raises(DataMissingError, match=rf"S11/{kind}.*{ending}, and 2 others of S11"):
            lmdis.check_complete(tmp_path, lmdis.listed(tmp_path, "test", "lmdis"))


def test_damaged_landmarks_are_named(tmp_path) -> None:
    write_lmdis(tmp_path, generate(Scene(224, ("S11",)), 0, "few", np.arange(1)))
    file = next(tmp_path.rglob("*.mat"))
    file.write_bytes(b"no")
    with pytest.raises(DataFormatError, match=r"mat.*landmarks"):
        lmdis.read(tmp_path, "test", "lmdis", 32, 4, 1.0)


def test_masks_cover_people(people) -> None:
    share = (people.masks > 0).float().mean((1, 2))
    assert share.min() > 0.04
    assert share.max() < 0.5
    assert torch.unique(people.masks).tolist() == [0, 255]
