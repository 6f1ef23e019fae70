// For functions whose loops the compiler turns into vector instructions.
#pragma once

// Compiles a function twice, also for AVX2, and takes the right one when the program starts. Without
// floats, both give the same results. Not with the sanitizers: their functions cannot be called as
// early as that choice is made.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TIERHUB_VECTOR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define TIERHUB_VECTOR_CLONES
#endif
