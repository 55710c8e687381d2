"""An archive that anybody may have made is unpacked as a chart, or refused with nothing left outside."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.charts import archive, plain_chart
from trueup.clients.charts.archive import ArchiveRefusedError, unpack
from trueup.clients.charts.model import ChartBounds

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BOUNDS = ChartBounds(unpacked_bytes_max=200_000, files_max=50)
CHART = {"shop/Chart.yaml": "name: shop\nversion: 1.0.0\n"}


def tarred(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """The chart's own file and these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        body = CHART["shop/Chart.yaml"].encode()
        first = tarfile.TarInfo("shop/Chart.yaml")
        first.size = len(body)
        tar.addfile(first, io.BytesIO(body))
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def raw(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A header that tarfile would not write."""
    head = bytearray(512)
    head[:100] = name.ljust(100, b"\0")
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136], head[136:148], head[156:157] = size, b"00000000000\0", kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a way out": (archive(CHART | {"shop/../../x": "a"}), "leads out"),
    "a way out at the top": (archive(CHART | {"../x": "a"}), "leads out"),
    "a way out of Windows": (archive(CHART | {"shop\\..\\..\\x": "a"}), "leads out"),
    "an absolute path": (archive(CHART | {"/opt/x": "a"}), "absolute"),
    "a drive": (archive(CHART | {"c:/x": "a"}), "absolute"),
    "a symlink out": (tarred((member("shop/x", tarfile.SYMTYPE, "/etc/passwd"), b"")), "is a link"),
    "a symlink inside": (tarred((member("shop/x", tarfile.SYMTYPE, "Chart.yaml"), b"")), "is a link"),
    "a hard link": (tarred((member("shop/x", tarfile.LNKTYPE, "shop/Chart.yaml"), b"")), "is a link"),
    "a device": (tarred((member("shop/x", tarfile.CHRTYPE), b"")), "neither a file nor"),
    "a pipe": (tarred((member("shop/x", tarfile.FIFOTYPE), b"")), "neither a file nor"),
    "a sparse file": (tarred((member("shop/x", tarfile.GNUTYPE_SPARSE), b"")), "neither a file nor|no whole"),
    "the same twice": (tarred((member("shop/x"), b""), (member("shop/./x"), b"")), "twice"),
    "a file and a directory": (tarred((member("shop/x"), b""), (member("shop/x/y"), b"")), "at once"),
    "a directory and a file": (tarred((member("shop/x/y"), b""), (member("shop/x"), b"")), "at once"),
    "two at the top": (archive(CHART | {"bank/Chart.yaml": "name: bank\nversion: 1.0.0"}), "2 directories"),
    "a file at the top": (archive(CHART | {"x": "a"}), "not inside"),
    "no Chart.yaml": (archive({"shop/values.yaml": ""}), "has no shop/Chart.yaml"),
    "nothing": (archive({}), "0 directories|no whole"),
    "a Chart.yaml that is none": (archive({"shop/Chart.yaml": "["}), "Chart.yaml"),
    "a Chart.yaml without a version": (archive({"shop/Chart.yaml": "name: a"}), "both name and version"),
    "a bomb": (archive(CHART | {"shop/x": bytes(10_000_000)}), "more than 200000 bytes"),
    "many files": (archive(CHART | {f"shop/{n}": "" for n in range(60)}), "more than 50 files"),
    "a long name": (archive(CHART | {f"shop/{'x' * 256}": ""}), "too long"),
    "a deep path": (archive(CHART | {"/".join(["shop", *"x" * 40]): ""}), "too deep"),
    "a name with a line end": (archive(CHART | {"shop/a\nb": ""}), "characters"),
    "something after it": (plain_chart() + b"x", "follows the end"),
    "another member after it": (plain_chart() + plain_chart(), "follows the end"),
    "something after its last file": (gzip.compress(gzip.decompress(plain_chart()) + b"x" * 512), "follows its last"),
    "half of it": (plain_chart()[:-60], "cut off|no whole"),
    "no gzip": (b"PK\x03\x04", "no whole gzipped tar"),
    "no tar": (gzip.compress(b"hello" * 200), "no whole gzipped tar"),
    "a size below nothing": (gzip.compress(raw(b"shop/x", b"\xff" * 12) + bytes(1024)), "size that no header has"),
    "a huge header": (gzip.compress(raw(b"x", b"00077777777\0", b"x") + bytes(20_000)), "size that no header has"),
    "a name in no encoding": (gzip.compress(raw(b"shop/\xff", b"00000000000\0") + bytes(1024)), "no whole"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    body, said = HOSTILE[name]
    into = tmp_path / "a" / "b" / "into"
    into.mkdir(parents=True)
    with pytest.raises(ArchiveRefusedError, match=said):
        unpack(io.BytesIO(body), into, BOUNDS)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and into not in path.parents]
    assert not outside


def test_what_helm_takes_is_taken(tmp_path: Path) -> None:
    files = {"shop/charts/sub-1.0.0.tgz": b"\x1f\x8b", "shop/./README.md": "a", "shop\\templates\\b.yaml": "b: 1"}
    unpacked = unpack(io.BytesIO(archive({**CHART, **files, "shop/readme.md": "case"})), tmp_path, BOUNDS)
    assert (unpacked.name, unpacked.version, unpacked.top) == ("shop", "1.0.0", "shop")
    assert (tmp_path / "shop" / "templates" / "b.yaml").read_text() == "b: 1"
    assert set(unpacked.files) == {
        *(f"shop/{name}" for name in ("Chart.yaml", "charts/sub-1.0.0.tgz", "README.md", "readme.md")),
        "shop/templates/b.yaml",
    }


@UNHURRIED
@given(st.data())
def test_any_bytes_are_a_chart_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    plain = bytearray(gzip.decompress(plain_chart()))
    for _ in range(data.draw(st.integers(0, 6))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    pack: Callable[[bytes], bytes] = data.draw(st.sampled_from([gzip.compress, lambda body: body]))
    into = tmp_path_factory.mktemp("any")
    try:
        unpacked = unpack(io.BytesIO(pack(bytes(plain))), into, BOUNDS)
    except ArchiveRefusedError:
        return
    assert (into / unpacked.top / "Chart.yaml").is_file()
