"""Builds what the Dockerfile builds, and looks into it."""

import contextlib
import fnmatch
import gzip
import json
import pathlib
import platform
import shutil
import stat
import subprocess
import tomllib

from report import tools

# At most this, compressed as a registry keeps it; what was measured stands in deploy/container/README.md. Where only
# cargo's target/debug has a binary, it is that one which is weighed.
LARGEST = {"release": 16 << 20, "debug": 24 << 20}

LOADER = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}[platform.machine()]
# Trivy reads bills of materials that lie in an image unasked, syft where it is told to.
SCAN = ["--select-catalogers", "+sbom-cataloger", "--output", "syft-json"]

PACKAGES = ["ca-certificates", "libc6", "libgcc-s1"]
CONTENTS = {
    "usr/bin/caudal",
    LOADER,
    f"lib/{platform.machine()}-linux-gnu/libc.so.6",
    f"lib/{platform.machine()}-linux-gnu/libm.so.6",
    f"lib/{platform.machine()}-linux-gnu/libgcc_s.so.1",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/passwd",
    "etc/group",
    "etc/nsswitch.conf",
    "etc/os-release",
    "usr/share/doc/caudal/LICENSE",
    "usr/share/sbom/caudal.cdx.json",
    *(f"usr/share/doc/{package}/copyright" for package in PACKAGES),
    *(f"var/lib/dpkg/status.d/{package}" for package in PACKAGES),
}


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command[:3]))}…: {(done.stderr or done.stdout).strip()}"
    return done.stdout


def context():
    """What the Dockerfile copies is there, and .dockerignore lets it through; what it lets through is copied."""
    allowed = {line[1:] for line in pathlib.Path(".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set()
    for line in pathlib.Path("Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from=" not in line:
            copied |= set(line.split()[1:-1])
    for source in copied:
        assert pathlib.Path(source).exists(), f"the Dockerfile copies {source}, which is not there"
        assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), f".dockerignore keeps {source} out"
    idle = [pattern for pattern in allowed if not any(fnmatch.fnmatch(source, pattern) for source in copied)]
    assert not idle, f".dockerignore lets {idle} in, which nothing copies"


def skeleton(folder):
    """The layer of dependencies is built from Cargo.toml, Cargo.lock and what skeleton.sh puts beside them."""
    place = folder / "skeleton"
    place.mkdir()
    for name in ["Cargo.toml", "Cargo.lock"]:
        shutil.copy(name, place / name)
    run("deploy/container/skeleton.sh", place)
    told = json.loads(run("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1", cwd=place))
    named = {target["name"] for target in told["packages"][0]["targets"]}
    assert "caudal" in named, f"cargo sees only {named}"
    for target in told["packages"][0]["targets"]:
        assert pathlib.Path(target["src_path"]).exists(), f"{target['name']}: {target['src_path']} is not there"
    with open("Cargo.toml", "rb") as file:
        lints = tomllib.load(file)["lints"]["rust"]
    deny = [f"-D{name}" for name in lints]
    for source, kind in [("src/lib.rs", "lib"), ("src/main.rs", "bin")]:
        run("rustc", "--edition=2024", f"--crate-type={kind}", "--emit=metadata", *deny, source, cwd=place)


def bill_of_materials(folder):
    place, bill = folder / "skeleton", folder / "sbom.json"
    binaries = tools("cargo/bin/cargo-cyclonedx").parent
    path = {"PATH": f"{binaries}:{subprocess.os.environ['PATH']}"}
    run("deploy/container/sbom.sh", place, bill, env={**subprocess.os.environ, **path})
    listed = crates(bill)
    tree = run("cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    built = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    built = {(name, version.removeprefix("v")) for name, version in built if name != "caudal"}
    assert len(built) > 100, f"cargo tree names only {len(built)} crates"
    assert not built - listed, f"not in the bill: {sorted(built - listed)[:5]}"
    return bill


def crates(bill):
    return {(part["name"], part["version"]) for part in json.loads(bill.read_text())["components"]}


def root(folder, binary, bill):
    place = folder / "rootfs"
    run("deploy/container/rootfs.sh", binary, bill, place)
    return place


def contents(place):
    found = {str(path.relative_to(place)): path for path in place.rglob("*")}
    files = {name for name, path in found.items() if not path.is_dir() or path.is_symlink()}
    assert files == CONTENTS, f"too much: {sorted(files - CONTENTS)}, too little: {sorted(CONTENTS - files)}"
    writable = stat.S_IWGRP | stat.S_IWOTH
    for name, path in found.items():
        mode = path.lstat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID), f"{name} changes who runs it"
        assert name == "tmp" or not mode & writable, f"{name} can be written to"
        assert path.lstat().st_uid == 0, f"{name} does not belong to root"


def scanned(place, bill):
    syft = tools("venv/bin/syft")
    quiet = {**subprocess.os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    found = json.loads(run(syft, "--quiet", *SCAN, f"dir:{place}", env=quiet))
    named = {(part["name"], part["version"]) for part in found["artifacts"]}
    packages = {name for name, _ in named}
    assert set(PACKAGES) <= packages, f"it does not see {set(PACKAGES) - packages}"
    missing = crates(bill) - named
    assert not missing, f"it does not see {len(missing)} crates: {sorted(missing)[:3]}"
    assert found["distro"]["id"] == "debian", f"it takes this for {found['distro']}"
    return f"{len(crates(bill))} crates, {len(PACKAGES)} packages"


@contextlib.contextmanager
def built(folder, place, report, profile):
    """The image, mounted. The stages before the last need a registry's image of Rust; the last needs their root alone."""
    buildah = ["buildah", "--storage-driver", "vfs", "--root", folder / "store", "--runroot", folder / "run"]
    name = "caudal:check"
    build = ["bud", "--isolation", "chroot", "--format", "docker", "--build-context", f"root={folder / 'stage'}"]
    arguments = ["--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=abc"]
    (folder / "stage").mkdir()
    place = place.rename(folder / "stage/rootfs")
    try:
        command = [*buildah, *build, *arguments, "-t", name, "."]
        if not report.check("the Dockerfile's last stage is built", lambda: bool(run(*command))):
            yield None
            return
        report.check("the image says who runs it, how, and whether it is well", configuration, buildah, name)
        report.check(f"the image is small ({profile})", size, folder, buildah, name, LARGEST[profile])
        container = run(*buildah, "from", name).strip()
        yield pathlib.Path(run(*buildah, "mount", container).strip())
    finally:
        subprocess.run([*buildah, "umount", "--all"], capture_output=True)


def configuration(buildah, name):
    told = json.loads(run(*buildah, "inspect", "--type", "image", name))["Docker"]["config"]
    assert told["User"] == "65532:65532", f"User is {told['User']}"
    assert told["Entrypoint"] == ["/usr/bin/caudal"], f"Entrypoint is {told['Entrypoint']}"
    assert told["Cmd"] == ["serve", "--config", "/etc/caudal/caudal.toml"], f"Cmd is {told['Cmd']}"
    assert told["Healthcheck"]["Test"] == ["CMD", "/usr/bin/caudal", "health"], f"Healthcheck is {told['Healthcheck']}"
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in told["Labels"].items()}
    assert labels["version"] == "1.2.3" and labels["revision"] == "abc", f"labels are {labels}"
    wanted = {"title", "description", "licenses", "source", "version", "revision", "created"}
    assert wanted <= labels.keys(), f"no label {wanted - labels.keys()}"


def size(folder, buildah, name, largest):
    archive = folder / "image"
    run(*buildah, "push", "--format", "oci", name, f"oci:{archive}:check")
    blobs = [path for path in (archive / "blobs/sha256").iterdir()]
    compressed = sum(path.stat().st_size for path in blobs)
    layers = [path for path in blobs if path.read_bytes()[:2] == b"\x1f\x8b"]
    whole = sum(len(gzip.decompress(path.read_bytes())) for path in layers)
    told = f"{compressed / (1 << 20):.1f} MiB to fetch, {whole / (1 << 20):.1f} MiB on disk"
    assert compressed <= largest, f"{told}; at most {largest >> 20} MiB"
    return told
