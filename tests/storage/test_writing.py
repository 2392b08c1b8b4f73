"""What writing leaves behind: the old or the new dataset whole, whoever is killed, full, in the way or faster."""

import errno
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from fredfmt import ArgumentError, FormatError, FredError, encode, load, save, validate
from fredfmt.errors import AccessError
from fredfmt.storage import partials, writing
from fredfmt.storage.containers import entries
from fredfmt.storage.containers.encoding import write_hdf5
from fredfmt.storage.reading import SUFFIXES

FORK = multiprocessing.get_context("fork")


def make(seed=0, count=9):
    images = np.random.default_rng(seed).standard_normal((count, 2, 13, 17)).astype(np.float32)
    return encode(images, np.arange(count) % 3, k=11)


OLD, NEW = make(1), make(2)


@pytest.fixture(params=["in one step", "in two steps"])
def exchange(request, monkeypatch):
    """With and without a system that can let two folders change places."""
    if request.param == "in two steps":
        monkeypatch.setattr(writing, "exchange", lambda one, other: False)


def killed_while_saving(path, seconds):
    """Save again and again in a process that is killed after so many seconds."""

    def forever():
        while True:
            save(NEW, path)
            save(OLD, path)

    process = FORK.Process(target=forever)
    process.start()
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_kills_leave_a_whole_dataset_and_the_next_write_leaves_nothing_else(tmp_path, suffix, exchange):
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    chance = random.Random(suffix)
    for _ in range(int(os.environ.get("FREDFMT_KILLS", "8"))):
        killed_while_saving(path, chance.uniform(0.005, 0.04))
        if path.exists():  # in two steps it may lie in the partial until the next write
            assert load(path) in (OLD, NEW)
        save(OLD, path)
        assert os.listdir(tmp_path) == [path.name]
        assert load(path) == OLD


WRITERS = 9
"""A process that rewrites, and eight more."""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_readers_get_the_old_or_the_new_data_while_nine_others_write(tmp_path, suffix, exchange):
    """All save again and again; each load gives one of the two datasets, and each save succeeds."""
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    stop, saves = FORK.Event(), FORK.Value("q", 0)

    def write(datas):
        while not stop.is_set():
            for data in datas:
                save(data, path)
                with saves.get_lock():
                    saves.value += 1

    writers = [FORK.Process(target=write, args=((NEW, OLD) if place % 2 else (OLD, NEW),)) for place in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        found = [load(path) for _ in range(int(os.environ.get("FREDFMT_LOADS", "60")))]
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert all(data in (OLD, NEW) for data in found)
    assert saves.value > WRITERS
    assert os.listdir(tmp_path) == [path.name]


def plant(folder, age=0.0):
    """Files and folders in a folder, some seconds old."""
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    os.utime(folder, (time.time() - age,) * 2)
    return folder


def test_stale_partials_go_and_those_in_use_stay(tmp_path):
    path = tmp_path / "x.fred"
    stale = plant(tmp_path / ".x.fred.0123456789ab.partial")
    earlier = tmp_path / ".x.fred.ba9876543210.partial"
    for old, stays in ((0, True), (3 * 24 * 3600, False)):
        earlier.touch()  # a file, as earlier versions left them: they hold no lock, so their age decides
        os.utime(earlier, (time.time() - old,) * 2)
        with partials.partial(path) as used:
            (used / "half").touch()
            save(OLD, path)
            assert (used / "half").exists()
        assert earlier.exists() == stays
    assert not stale.exists()
    others = [plant(tmp_path / name) for name in (".y.fred.0123456789ab.partial", ".x.fred.notes.partial", ".x.fred")]
    save(OLD, path)
    assert all(other.exists() for other in others)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_validate_mentions_what_a_kill_left(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    with partials.partial(path):
        assert "left temporary folders" not in str(validate(path).findings)
    stale = plant(tmp_path / f".x{suffix}.0123456789ab.partial")
    report = validate(path)
    (mention,) = [finding for finding in report.findings if "left temporary folders" in finding.what]
    assert report.valid
    assert (mention.severity, mention.found) == ("warning", stale.name)


def test_partials_of_somebody_else_stay(tmp_path, monkeypatch):
    stale = plant(tmp_path / ".x.fred.0123456789ab.partial")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    save(OLD, tmp_path / "x.fred")
    assert stale.exists()


def nested(folder):
    """So many folders in each other that functions which call themselves do not come to the last one."""
    here = os.open(folder, os.O_DIRECTORY)
    for _ in range(1200):
        os.mkdir("c1", dir_fd=here)
        below = os.open("c1", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    return folder


FOREIGN = {
    "empty": lambda folder: folder.mkdir(),
    "letters": plant,
    "zarr": lambda folder: (folder.mkdir(), (folder / "zarr.json").write_text('{"node_type":"group"}')),
    "dataset and a letter": lambda folder: (save(OLD, folder), (folder / "letter.txt").touch()),
    "dataset and a folder": lambda folder: (save(OLD, folder), plant(folder / "letters")),
    "pipe": lambda folder: (folder.mkdir(), os.mkfifo(folder / "zarr.json")),
    "linked document": lambda folder: (folder.mkdir(), (folder / "zarr.json").symlink_to("/dev/zero")),
    "folder for a document": lambda folder: (folder / "zarr.json").mkdir(parents=True),
    "dataset with a thousand folders in each other": lambda folder: (save(OLD, folder), nested(folder / "labels")),
    "dataset and a link": lambda folder: (save(OLD, folder), (folder / "link").symlink_to(folder.parent)),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_folder_that_is_not_a_dataset_alone_is_never_deleted(tmp_path, kind):
    from typer.testing import CliRunner

    from fredfmt.cli.app import app

    path = tmp_path / "x.fred.zarr"
    FOREIGN[kind](path)
    save(NEW, tmp_path / "new.fred")
    before = sorted(path.glob("*/*"))
    with pytest.raises(ArgumentError, match="in the way"):
        save(NEW, path)
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "new.fred"), str(path), "--force"])
    assert isinstance(result.exception, ArgumentError)
    assert sorted(path.glob("*/*")) == before
    assert sorted(os.listdir(tmp_path)) == ["new.fred", "x.fred.zarr"]
    subprocess.run(["rm", "-r", path], check=True)  # pytest would not get to the end of it


def test_a_stale_partial_with_a_thousand_folders_in_each_other_is_no_obstacle(tmp_path):
    stale = plant(tmp_path / ".x.fred.0123456789ab.partial")
    nested(stale)
    save(OLD, tmp_path / "x.fred")
    assert load(tmp_path / "x.fred") == OLD
    subprocess.run(["rm", "-rf", stale], check=True)


def test_a_damaged_dataset_can_be_replaced(tmp_path):
    path = tmp_path / "x.fred.zarr"
    save(OLD, path)
    (path / "coefficients/zarr.json").write_bytes(b"{")
    save(NEW, path)
    assert load(path) == NEW


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_symbolic_link_stays_and_leads_to_the_new_data(tmp_path, suffix):
    (tmp_path / "there").mkdir()
    link, path = tmp_path / f"link{suffix}", tmp_path / "there" / f"x{suffix}"
    link.symlink_to(path)
    for data in (OLD, NEW):  # the first time it leads nowhere
        save(data, link)
        assert link.is_symlink()
        assert load(path) == data
        assert os.listdir(path.parent) == [path.name]
    assert sorted(os.listdir(tmp_path)) == [link.name, "there"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", [0o700, 0o640, 0o666])
def test_what_is_replaced_keeps_its_mode(tmp_path, suffix, mode):
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    os.chmod(path, mode | (0o100 if path.is_dir() else 0))
    before = stat.S_IMODE(path.stat().st_mode)
    save(NEW, path)
    assert stat.S_IMODE(path.stat().st_mode) == before


def test_a_new_file_has_the_mode_that_the_user_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        for suffix in SUFFIXES:
            save(OLD, tmp_path / f"x{suffix}")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / f"x{suffix}").stat().st_mode) for suffix in SUFFIXES] == [0o640, 0o750, 0o640]


def in_the_way(folder, suffix):
    path = folder / f"x{suffix}"
    path.touch() if suffix == ".fred.zarr" else path.mkdir()
    return path


def looping(folder, suffix):
    (folder / f"x{suffix}").symlink_to(folder / f"y{suffix}")
    (folder / f"y{suffix}").symlink_to(folder / f"x{suffix}")
    return folder / f"x{suffix}"


def below_a_file(folder, suffix):
    (folder / "file").touch()
    return folder / "file" / f"x{suffix}"


def pipe(folder, suffix):
    os.mkfifo(folder / f"x{suffix}")
    return folder / f"x{suffix}"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "target",
    [
        in_the_way,
        looping,
        below_a_file,
        pipe,
        lambda folder, suffix: folder / f"{'x' * 256}{suffix}",
        lambda folder, suffix: folder / f"{'x' * 5000}{suffix}",
        lambda folder, suffix: folder / "none" / f"x{suffix}",
    ],
)
def test_what_cannot_be_written_is_one_line_and_nothing_is_changed(tmp_path, suffix, target):
    path = target(tmp_path, suffix)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FredError) as caught:
        save(OLD, path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert str(caught.value).count(str(path)) <= 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("length", [200, 201, 230, 234, 255])
def test_names_as_long_as_the_system_allows(tmp_path, suffix, length):
    path = tmp_path / ("ä" * ((length - len(suffix)) // 2) + suffix)
    save(OLD, path)
    killed = FORK.Process(target=lambda: stuck(path))
    killed.start()
    killed.join()
    assert len(os.listdir(tmp_path)) == 2
    save(NEW, path)
    assert os.listdir(tmp_path) == [path.name]
    assert load(path) == NEW


def stuck(path):
    with writing.partial(path):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_what_was_there(small_disk, suffix):
    path = small_disk / f"x{suffix}"
    save(OLD, path)
    images = np.random.default_rng(0).standard_normal((9, 4, 32, 32)).astype(np.float32)
    with pytest.raises(AccessError, match=r"cannot be written.*No space left.*Free some disk space") as caught:
        save(encode(images, np.arange(9) % 3, k=1024, step=None), path)
    assert caught.value.errno == errno.ENOSPC
    assert load(path) == OLD
    assert os.listdir(small_disk) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_read_only_disk(small_disk, suffix):
    path = small_disk / f"x{suffix}"
    save(OLD, path)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(AccessError, match="Read-only file system"):
        save(NEW, path)
    assert load(path) == OLD


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_limit_on_the_size_of_files(tmp_path, suffix):
    """As a quota of a shell has it, and no right to mount anything is needed."""
    path = tmp_path / f"x{suffix}"
    save(OLD, path)

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            save(NEW, path)
        except AccessError as error:
            os._exit(0 if "\n" not in str(error) and error.errno == errno.EFBIG else 2)
        os._exit(1)

    process = FORK.Process(target=limited)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert load(path) == OLD
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".fred", ".fred.zarr"])
def test_no_room_for_temporary_files_is_one_line(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    monkeypatch.setattr(entries, "IN_MEMORY", 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(AccessError, match="temporary file cannot be written"):
        save(NEW, path)
    assert load(path) == OLD
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("writes", [0, 1, 3, 6])
def test_a_disk_that_fills_while_hdf5_writes_is_one_error(writes):
    class Full(io.BytesIO):
        left = writes

        def write(self, content):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content)

    with pytest.raises(OSError, match="No space"):
        write_hdf5(NEW, Full())


def test_a_failing_writer_leaves_no_trace(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for suffix in SUFFIXES:
        with pytest.raises(OSError, match="No space"):
            save(OLD, tmp_path / f"x{suffix}")
    assert os.listdir(tmp_path) == []


def test_empty_folders_in_a_dataset_are_refused(tmp_path):
    path = tmp_path / "x.fred.zarr"
    save(OLD, path)
    for name in ("empty", "labels/c/empty", "coefficients/empty/below"):
        (path / name).mkdir(parents=True)
        with pytest.raises(FormatError, match="FRED-410"):
            load(path)
        shutil.rmtree(path / name)
        if "/" in name and "below" in name:
            shutil.rmtree((path / name).parent)
    assert load(path) == OLD


KILLED_AT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_writing import NEW
from fredfmt import save
real, calls = os.fsync, 0
def killed(handle):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(handle)
os.fsync = killed
save(NEW, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("call", [1, 2])
def test_a_writer_killed_at_a_certain_place(tmp_path, suffix, call):
    path = tmp_path / f"x{suffix}"
    save(OLD, path)
    arguments = [sys.executable, "-c", KILLED_AT, path, str(call), Path(__file__).parent]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    after_rename = suffix != ".fred.zarr" and call == 2
    assert load(path) == (NEW if after_rename else OLD)
