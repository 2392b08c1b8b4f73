"""Builds the compiled loops with OpenMP where the compiler has it, and without where it has not (Apple's clang).

Each library holds the digest of its C sources: `fredfmt.storage.compiled` uses none that was built from other sources.
"""

import copy
import hashlib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError


class BuildLoops(build_ext):
    def build_extension(self, ext: Extension) -> None:
        ext = copy.copy(ext)  # the source distribution is made from the original's sources
        ext.sources = [*ext.sources, self.digest_source(ext)]
        try:
            super().build_extension(ext)
        except (CompileError, LinkError):
            compiling, linking = {"-fopenmp": "-fopenmp-simd"}, {"-fopenmp": "-pthread"}
            ext.extra_compile_args = [compiling.get(flag, flag) for flag in ext.extra_compile_args]
            ext.extra_link_args = [linking.get(flag, flag) for flag in ext.extra_link_args]
            super().build_extension(ext)

    def digest_source(self, ext: Extension) -> str:
        """A C file whose one function returns the digest of the library's sources; as it is new, all is built again."""
        stem = ext.name.rpartition(".")[2]
        digest = hashlib.sha256()
        for source in sorted(Path(ext.sources[0]).parent.glob(f"{stem}*.[ch]")):
            digest.update(source.read_bytes())
        made = Path(self.build_temp, f"{ext.name}.sources.c")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(f'const char *fredfmt_sources(void) {{ return "{digest.hexdigest()}"; }}\n')
        return str(made)


setup(cmdclass={"build_ext": BuildLoops})
