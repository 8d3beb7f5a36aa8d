"""A C build in an activated environment calls our `ar`, and gets the archiver; what is ours stays ours."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.main import get_command

from audiorestore.archiver import TRIED, for_archiver
from audiorestore.cli import app

OURS = Path(sys.executable).parent / "ar"  # the script that an activated environment puts first on PATH
SYSTEM = os.pathsep.join(
    folder
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folder and Path(folder).resolve() != OURS.parent.resolve()
)
REAL = shutil.which("ar", path=SYSTEM)
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]
LETTERS = "abcdefghijklmnopqrstuvwxyz"

needs_the_script = pytest.mark.skipif(
    not OURS.is_file() or "audiorestore" not in OURS.read_text(errors="replace"),
    reason=f"{OURS.parent} has no `ar` of audiorestore: the package is not installed in this environment",
)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one of these is not on the PATH outside our environment."""
    missing = [program for program in programs if not shutil.which(program, path=SYSTEM)]
    return pytest.mark.skipif(bool(missing), reason=f"not on PATH: {', '.join(missing)}")


# Whose is the call? The first argument says it.


FOR_THE_ARCHIVER = [
    *("rcs", "cr", "cru", "crs", "csr", "crv", "rc", "ruv", "rvl", "rv", "rvU", "rU", "r", "q", "qc", "qcT", "cq"),
    *("rcT", "csrD", "csrDT", "crsPD", "cDPrST", "crsT", "rvcc", "rcss"),  # ffmpeg, meson, Android, Linux, GYP
    *("t", "tv", "tO", "x", "xo", "xov", "xvf", "p", "pv", "d", "dv", "m", "mPiT", "ma", "mb", "ra", "rb", "rbs"),
    *("s", "sv", "vs", "sD", "cs", "M", "dz", "rj", "xC", "xNv", "rLc"),
    *("-rcs", "-cr", "-r", "-c", "-cu", "-s", "-t", "-tv", "-q", "-x", "-M", "-V", "-v", "-D", "-qcL", "-ra"),
    *("--plugin", "--plugin=/usr/lib/liblto_plugin.so", "--target", "--target=elf64-x86-64", "--thin"),
    *("--output", "--output=folder", "--record-libdeps=-lm -lz", "--format=gnu", "-format=gnu", "--rsp-quoting=posix"),
    *("-X32_64", "-X64", "-X", "@objects.rsp", "@with\nline break", "--output=\udcff\n"),
]


OURS_ALONE = [
    *("", "-", "--", "-h", "--help", "--version", "--verbose", "-rh", "--thinner", "@", "--plug", "r-", "-r c"),
    *("c", "cu", "v", "a", "ab", "as", "u", "V", "rt", "rq", "xx", "tt", "dr"),  # no operation, or two
    *("ta", "xi", "pai", "air", "rab", "cat", "list", "clip", "fix"),  # a place where none is asked for
    *("trian", "tran", "evla", "help", "version", "info", "file.wav", "x.a", "r c", "rc\n", "RCS", "ŕ", "ſ", "\udcff"),
]


def test_whose_call_it_is() -> None:
    assert [each for each in FOR_THE_ARCHIVER if not for_archiver(each)] == []
    assert [each for each in OURS_ALONE if for_archiver(each)] == []


def slips_in(command: str) -> set[str]:
    """List a word, and all that one slip of a finger makes of it."""
    places = range(len(command))
    dropped = {command[:i] + command[i + 1 :] for i in places}
    doubled = {command[:i] + command[i] + command[i:] for i in places}
    swapped = {command[:i] + command[i + 1 :][:1] + command[i] + command[i + 2 :] for i in places}
    replaced = {command[:i] + letter + command[i + 1 :] for i in places for letter in LETTERS}
    return {command, *dropped, *doubled, *swapped, *replaced}


def test_no_command_nor_a_slip_in_one_is_for_the_archiver() -> None:
    slips = {slip for command in COMMANDS for slip in slips_in(command)}
    assert {slip for slip in slips if for_archiver(slip)} <= {"rval", "mval"}  # GNU ar does know `r` with `v`, `a`, `l`


def test_no_option_of_ours_is_for_the_archiver() -> None:
    options = {name for parameter in get_command(app).params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= set(app.info.context_settings["help_option_names"])  # type: ignore[index]
    assert {"--version", "--help", "-h"} <= options
    assert not {name for name in options if for_archiver(name)}


# Which `ar` is next? Scripts stand in for all parts, so that no compiler is needed.


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def our_ar(folder: Path) -> Path:
    """Put our `ar` into a folder, as pip would; it notes how often it was started."""
    note = f"open({str(folder / 'starts')!r}, 'a').write('\\n')"
    return script(folder / "ar", f"#!{sys.executable}\nfrom audiorestore.__main__ import main\n\n{note}\nmain()\n")


def other_ar(folder: Path) -> Path:
    """Put an archiver into a folder that writes its path and its arguments, each closed by a zero, then its stdin."""
    return script(folder / "ar", '#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n/bin/cat\nexit 7\n')


def shim(folder: Path, target: Path, times: int = 1) -> Path:
    """Put an `ar` into a folder that starts another one, as pyenv's shims do, and notes how often it was called."""
    return script(folder / "ar", f"#!/bin/sh\necho >> {folder}/starts\n" + f'{target} "$@"\n' * times)


def starts(program: Path) -> int:
    noted = program.parent / "starts"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


def call(
    program: Path | str,
    *arguments: str | bytes,
    path: Sequence[Path | str] | None,
    stdin: bytes = b"",
    cwd: Path | None = None,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Call with nothing in the environment but PATH and what is named."""
    environment = dict(variables or {})
    if path is not None:
        environment["PATH"] = os.pathsep.join(map(str, path))
    return subprocess.run(
        [program, *arguments], env=environment, input=stdin, capture_output=True, cwd=cwd, check=False, timeout=60
    )


def reached(done: subprocess.CompletedProcess[bytes]) -> Path:
    """Say which archiver a call has ended in."""
    assert done.returncode == 7, done.stderr
    return Path(os.fsdecode(done.stdout.split(b"\0")[0]))


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_arguments_stdin_and_status_arrive_byte_for_byte(tmp_path: Path, locale: dict[str, str]) -> None:
    ours, other = our_ar(tmp_path / "venv"), other_ar(tmp_path / "bin")
    arguments = [b"rcs", b"", b"two words", b"\xff\xfe\x80", "ö".encode(), b"line\nbreak", b"*.o", b"--help", b""]
    stdin = bytes(range(256))
    done = call(ours, *arguments, path=[ours.parent, other.parent], stdin=stdin, variables=locale)
    assert done.stdout == b"\0".join([os.fsencode(other), *arguments]) + b"\0" + stdin
    assert (done.returncode, done.stderr) == (7, b"")


def test_the_first_that_can_be_executed_is_next(tmp_path: Path) -> None:
    ours, other, later = our_ar(tmp_path / "venv"), other_ar(tmp_path / "bin"), other_ar(tmp_path / "later")
    (tmp_path / "folder" / "ar").mkdir(parents=True)
    other_ar(tmp_path / "plain").chmod(0o644)
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "ar").symlink_to("nowhere")
    before = [tmp_path / name for name in ("missing", "folder", "plain", "dangling")]
    assert reached(call(ours, "t", path=[*before, ours.parent, other.parent, later.parent])) == other
    assert reached(call(ours, "t", path=[later.parent, ours.parent, other.parent])) == later  # called by its path


def test_our_own_file_is_never_next_however_it_is_reached(tmp_path: Path) -> None:
    ours, other = our_ar(tmp_path / "venv" / "bin"), other_ar(tmp_path / "bin")
    (tmp_path / "linked").symlink_to(ours.parent)
    link = tmp_path / "scripts" / "ar"
    link.parent.mkdir()
    link.symlink_to(ours)
    path = [ours.parent, ours.parent, tmp_path / "linked", link.parent, other.parent]
    programs = (ours, tmp_path / "linked" / "ar", link, Path("venv/bin/../bin/ar"))
    for program in programs:
        assert reached(call(program, "t", path=path, cwd=tmp_path)) == other
    assert starts(ours) == len(programs)


def test_an_empty_entry_is_the_working_directory(tmp_path: Path) -> None:
    ours, other = our_ar(tmp_path / "venv"), other_ar(tmp_path / "here")
    for path in ([str(ours.parent), ""], ["", str(ours.parent)], [""]):
        assert reached(call(ours, "t", path=path, cwd=other.parent)) == Path("./ar")
    for path in (["", str(other.parent)], [str(other.parent)]):  # Python calls a script in this folder by its bare name
        assert reached(call(sys.executable, "ar", "t", path=path, cwd=ours.parent)) == other


def test_called_by_a_bare_name_we_are_the_first_on_path(tmp_path: Path) -> None:
    ours, other = our_ar(tmp_path / "venv"), other_ar(tmp_path / "bin")
    embedded = "import sys; sys.argv[0] = 'ar'; from audiorestore.__main__ import main; main()"
    done = call(sys.executable, "-c", embedded, "t", path=[ours.parent, other.parent], cwd=tmp_path)
    assert reached(done) == other
    assert starts(ours) == 0


def test_without_path_the_system_is_searched(tmp_path: Path) -> None:
    if not any(os.access(f"{folder}/ar", os.X_OK) for folder in os.defpath.split(os.pathsep)):
        pytest.skip(f"no ar in {os.defpath}")
    done = call(our_ar(tmp_path / "venv"), "--thin", "--version", path=None)
    assert done.returncode == 0, done.stderr
    assert b"audiorestore" not in done.stdout


def test_several_environments_hand_on_to_each_other_and_then_to_the_archiver(tmp_path: Path) -> None:
    envs = [our_ar(tmp_path / name) for name in ("one", "two", "three")]
    other = other_ar(tmp_path / "bin")
    path = [env.parent for env in envs]
    for program in envs:
        assert reached(call(program, "t", path=[*path, *path, other.parent])) == other
        assert call(program, "t", path=[*path, *path]).returncode == 1


@pytest.mark.parametrize("first", ["shim", "ours"])
def test_a_shim_that_calls_us_does_so_twice_at_most(tmp_path: Path, first: str) -> None:
    ours, other = our_ar(tmp_path / "version"), other_ar(tmp_path / "bin")
    shims = shim(tmp_path / "shims", ours)
    path = [shims.parent, ours.parent] if first == "shim" else [ours.parent, shims.parent]
    done = call(path[0] / "ar", "rcs", "a b", path=[*path, other.parent])
    assert reached(done) == other
    assert done.stdout.split(b"\0")[1:] == [b"rcs", b"a b", b""]
    assert max(starts(shims), starts(ours)) <= 2


def test_shims_all_round_and_no_archiver_end_in_one_sentence(tmp_path: Path) -> None:
    ours = our_ar(tmp_path / "a:b")  # no entry of PATH can name this folder
    shims = [shim(tmp_path / name, ours) for name in ("one", "two")]
    done = call(shims[0], "t", path=[each.parent for each in shims])
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert [starts(each) for each in shims] == [2, 1]


def test_a_shim_in_a_folder_that_path_cannot_name_ends_too(tmp_path: Path) -> None:
    ours = our_ar(tmp_path / "venv")
    here = shim(tmp_path / "a:b", ours)
    done = call(ours, "t", path=[""], cwd=here.parent)
    assert (done.returncode, starts(here)) == (1, 1)


def test_a_wrapper_may_call_the_archiver_more_than_once(tmp_path: Path) -> None:
    ours, other = our_ar(tmp_path / "venv"), other_ar(tmp_path / "bin")
    wrapper = shim(tmp_path / "wrapper", ours, times=2)
    done = call(ours, "t", path=[ours.parent, wrapper.parent, other.parent])
    assert done.stdout == b"%s\0t\0" % os.fsencode(other) * 2
    assert done.returncode == 7


def test_no_archiver_is_one_sentence(tmp_path: Path) -> None:
    ours = our_ar(tmp_path / "venv")
    done = call(ours, "rcs", "x.a", path=[ours.parent])
    assert (done.returncode, done.stdout) == (1, b"")
    (sentence,) = done.stderr.decode().splitlines()
    assert sentence.startswith("ar: 'rcs' ")
    assert "ar --help" in sentence


def test_an_archiver_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    ours, broken = our_ar(tmp_path / "venv"), script(tmp_path / "bin" / "ar", "#!/no/such/shell\n")
    done = call(ours, "t", path=[broken.parent])
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"ar: {broken}: cannot start the archiver: No such file or directory\n"


def test_a_reader_that_leaves_ends_the_archiver_as_ever(tmp_path: Path) -> None:
    ours = our_ar(tmp_path / "venv")
    script(tmp_path / "bin" / "ar", "#!/bin/sh\nwhile echo member.o; do :; done\n")
    with subprocess.Popen([ours, "t"], env={"PATH": str(tmp_path / "bin")}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"member.o\n"
        process.stdout.close()
        assert process.wait(60) == -signal.SIGPIPE


def test_what_is_ours_is_not_handed_over(tmp_path: Path) -> None:
    ours, other = our_ar(tmp_path / "venv"), other_ar(tmp_path / "bin")
    path = [ours.parent, other.parent]
    assert call(ours, "--version", path=path).stdout.startswith(b"audiorestore ")
    mistyped = call(ours, "trian", "t", path=path)
    assert mistyped.returncode == 2
    assert b"Did you mean 'train'?" in mistyped.stderr
    assert call(ours, path=path).returncode == 2  # the help
    for program in ([sys.executable, "-m", "audiorestore"], [shutil.copy(ours, ours.with_name("audiorestore"))]):
        done = call(*program, "rcs", path=path)
        assert done.returncode == 2
        assert b"No such command 'rcs'" in done.stderr


def test_handing_over_imports_nothing_that_the_command_line_needs() -> None:
    listing = (
        "import os, sys\nos.execv = lambda *_: sys.exit(' '.join(sys.modules))\n"
        "sys.argv = ['/elsewhere/ar', 'rcs']\nfrom audiorestore.__main__ import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=False)
    modules = set(done.stderr.split())
    assert "audiorestore.archiver" in modules, done.stderr
    assert not modules & {"typer", "click", "rich", "numpy", "torch", "pathlib", "subprocess", "audiorestore.cli"}


# The real thing: an activated environment, a real archiver, and builds that know nothing of us.


class Activated:
    """What `. .venv/bin/activate` leaves behind, with a spy before the real archiver that notes who hands over."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "spy" / "calls"
        spy = script(folder / "spy" / "ar", f'#!/bin/sh\necho "${TRIED}|$*" >> {self.log}\nexec {REAL} "$@"\n')
        self.path = os.pathsep.join([str(OURS.parent), str(spy.parent), SYSTEM])
        self.environment = {**os.environ, "PATH": self.path, "VIRTUAL_ENV": sys.prefix}
        for name in ("AR", "ARFLAGS", "CC", "CFLAGS", "LDFLAGS", "MAKEFLAGS", "MFLAGS", TRIED):
            self.environment.pop(name, None)
        assert shutil.which("ar", path=self.path) == str(OURS)

    def run(self, *command: str | Path, cwd: Path) -> str:
        done = subprocess.run(command, env=self.environment, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def handed_over(self) -> list[str]:
        """List what the real archiver was called with; every call came by way of our script."""
        us = OURS.stat()
        calls = [line.partition("|") for line in self.log.read_text().splitlines()]
        assert all(f"{us.st_dev}-{us.st_ino}" in tried.split(os.pathsep) for tried, _, _ in calls)
        return [arguments for _, _, arguments in calls]


@pytest.fixture
def activated(tmp_path: Path) -> Activated:
    return Activated(tmp_path)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A program, and a library of three members that it needs to end well."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three"), start=1):
        (folder / f"{name}.c").write_text(f"int {name}(void) {{ return {number}; }}\n")
    (folder / "main.c").write_text(
        "int one(void), two(void), three(void);\nint main(void) { return one() + two() + three() - 6; }\n"
    )
    return folder


@needs_the_script
@needs("ar", "make", "cc")
def test_make_builds_libraries_in_an_activated_environment(activated: Activated, sources: Path) -> None:
    (sources / "Makefile").write_text(
        "program: main.o libx.a liby.a\n\t$(CC) -o $@ $^\n"
        "libx.a: libx.a(one.o) libx.a(two.o)\n"
        "liby.a: three.o\n\tar rcs $@ $^\n"
    )
    activated.run("make", "program", cwd=sources)
    activated.run(sources / "program", cwd=sources)
    assert activated.run("ar", "t", "libx.a", cwd=sources).split() == ["one.o", "two.o"]
    assert activated.run("ar", "t", "liby.a", cwd=sources).split() == ["three.o"]
    calls = activated.handed_over()
    assert "rcs liby.a three.o" in calls
    assert sum(call.endswith(("libx.a one.o", "libx.a two.o")) for call in calls) == 2  # $(AR) $(ARFLAGS), as built in


@needs_the_script
@needs("ar", "cmake", "make", "cc")
def test_cmake_builds_a_library_in_an_activated_environment(activated: Activated, sources: Path) -> None:
    (sources / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10...3.28)\nproject(program C)\n"
        "add_library(numbers STATIC one.c two.c three.c)\n"
        "add_executable(program main.c)\ntarget_link_libraries(program numbers)\n"
    )
    # CMake looks in the compiler's folder before PATH: this one is alone there, as those of ccache and conda are.
    compiler = sources / "toolchain" / "cc"
    compiler.parent.mkdir()
    compiler.symlink_to(shutil.which("cc", path=SYSTEM) or "")
    options = ["-G", "Unix Makefiles", f"-DCMAKE_C_COMPILER={compiler}", "-DCMAKE_C_COMPILER_WORKS=1"]
    activated.run("cmake", "-S", ".", "-B", "build", *options, cwd=sources)
    assert f"CMAKE_AR:FILEPATH={OURS}\n" in (sources / "build" / "CMakeCache.txt").read_text()
    activated.run("cmake", "--build", "build", cwd=sources)
    activated.run(sources / "build" / "program", cwd=sources)
    members = activated.run("ar", "t", "build/libnumbers.a", cwd=sources).split()
    assert members == ["one.c.o", "two.c.o", "three.c.o"]
    assert any(call.startswith("qc libnumbers.a ") for call in activated.handed_over())


@needs_the_script
@needs("ar", "gcc-ar", "gcc")
def test_gcc_ar_reaches_the_archiver_through_us(activated: Activated, sources: Path) -> None:
    activated.run("gcc", "-c", "one.c", cwd=sources)
    activated.run("gcc-ar", "rcs", "libx.a", "one.o", cwd=sources)
    assert activated.run("ar", "t", "libx.a", cwd=sources).split() == ["one.o"]
    assert any(call.startswith("--plugin ") for call in activated.handed_over())


@needs_the_script
@needs("ar", "gcc", "nm")
def test_the_archiver_finds_its_plugins(sources: Path) -> None:
    """GNU ar looks for its link-time plugins relative to its own path: that must not be ours."""
    environment = {**os.environ, "PATH": f"{OURS.parent}{os.pathsep}{SYSTEM}"}
    subprocess.run(["gcc", "-c", "-flto", "-fno-fat-lto-objects", "one.c"], cwd=sources, env=environment, check=True)
    indexes = []
    for program in (str(REAL), "ar"):
        subprocess.run([program, "rcs", "libx.a", "one.o"], cwd=sources, env=environment, check=True)
        listed = subprocess.run(["nm", "-s", "libx.a"], cwd=sources, env=environment, capture_output=True, check=True)
        indexes.append(listed.stdout)
        (sources / "libx.a").unlink()
    assert indexes[0] == indexes[1]


@needs_the_script
@needs("ar")
def test_the_archiver_fails_as_it_would_without_us(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{OURS.parent}{os.pathsep}{SYSTEM}"}
    direct, through_us = (
        subprocess.run([program, "t", "no.a"], cwd=tmp_path, env=environment, capture_output=True, check=False)
        for program in (str(REAL), "ar")
    )
    assert direct.returncode
    for outcome in ("returncode", "stdout", "stderr"):
        assert getattr(through_us, outcome) == getattr(direct, outcome)
