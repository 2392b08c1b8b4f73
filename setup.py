"""Builds the compiled loops with OpenMP where the compiler has it, and without where it has not (Apple's clang)."""

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError


class BuildLoops(build_ext):
    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CompileError, LinkError):
            compiling, linking = {"-fopenmp": "-fopenmp-simd"}, {"-fopenmp": "-pthread"}
            ext.extra_compile_args = [compiling.get(flag, flag) for flag in ext.extra_compile_args]
            ext.extra_link_args = [linking.get(flag, flag) for flag in ext.extra_link_args]
            super().build_extension(ext)


setup(cmdclass={"build_ext": BuildLoops})
